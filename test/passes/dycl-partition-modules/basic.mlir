// RUN: dycl-opt %s --dycl-partition-modules=target=llvm-cpu | FileCheck %s

// Each region has a module of its own with what it needs: a private global for each parameter, named in the archive.
// CHECK-LABEL: module @net
module @net {
  dycl.program @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
    %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = dycl.invoke @region_1() : () -> tensor<8xf32>
    dycl.return %0, %1 : tensor<4xf32>, tensor<8xf32>
  }

  // Keys that differ only in punctuation get different names; a key used twice is one global.
  // CHECK: dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {cost = #dycl.cost<flops = 12, bytes = 96>, module = @region_0_module, parameters = ["a.b", "a_b", "0.w\22"], target = "llvm-cpu"}
  // CHECK: module @region_0_module {
  // CHECK-NEXT: "util.global"() <{initial_value = #flow.parameter.named<"model"::"a.b"> : tensor<4xf32>, sym_name = "a_b", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
  // CHECK-NEXT: "util.global"() <{initial_value = #flow.parameter.named<"model"::"a_b"> : tensor<4xf32>, sym_name = "a_b_1", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
  // CHECK-NEXT: "util.global"() <{initial_value = #flow.parameter.named<"model"::"0.w\22"> : tensor<4xf32>, sym_name = "_0_w_", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
  // CHECK-NEXT: func.func @region_0(%[[X:.+]]: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT:   %[[A:.+]] = "util.global.load"() <{global = @a_b}> : () -> tensor<4xf32>
  // CHECK-NEXT:   %[[B:.+]] = "util.global.load"() <{global = @a_b_1}> : () -> tensor<4xf32>
  // CHECK-NEXT:   %[[C:.+]] = "util.global.load"() <{global = @_0_w_}> : () -> tensor<4xf32>
  // CHECK-NEXT:   %[[D:.+]] = "util.global.load"() <{global = @a_b}> : () -> tensor<4xf32>
  func.func private @region_0(%x: tensor<4xf32>) -> tensor<4xf32>
      attributes {dycl.cost = #dycl.cost<flops = 12, bytes = 96>} {
    %a = dycl.parameter "a.b" : tensor<4xf32>
    %b = dycl.parameter "a_b" : tensor<4xf32>
    %c = dycl.parameter "0.w\22" : tensor<4xf32>
    %d = dycl.parameter "a.b" : tensor<4xf32>
    %0 = arith.addf %x, %a : tensor<4xf32>
    %1 = arith.mulf %0, %b : tensor<4xf32>
    %2 = arith.subf %1, %c : tensor<4xf32>
    %3 = arith.divf %2, %d : tensor<4xf32>
    return %3 : tensor<4xf32>
  }

  // CHECK: dycl.region @region_1 : () -> tensor<8xf32> {module = @region_1_module, parameters = ["a.c"], target = "llvm-cpu"}
  // CHECK: module @region_1_module {
  // CHECK-NEXT: "util.global"() <{initial_value = #flow.parameter.named<"model"::"a.c"> : tensor<8xf32>
  func.func private @region_1() -> tensor<8xf32> {
    %a = dycl.parameter "a.c" : tensor<8xf32>
    return %a : tensor<8xf32>
  }
}
