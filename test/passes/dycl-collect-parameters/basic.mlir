// RUN: dycl-opt %s --dycl-collect-parameters | FileCheck %s

// Each region names what its own function loads, in order, and once; what nothing loads is gone.
module @net {
  // CHECK: dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {module = @region_0_module, parameters = ["b", "a"]}
  dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {module = @region_0_module, parameters = ["old"]}
  // CHECK: dycl.region @region_1 : (tensor<4xf32>) -> tensor<4xf32> {module = @region_0_module}
  dycl.region @region_1 : (tensor<4xf32>) -> tensor<4xf32> {module = @region_0_module, parameters = ["old"]}
  // CHECK: module @region_0_module
  module @region_0_module {
    // CHECK-NOT: "model"::"old"
    "util.global"() <{initial_value = #flow.parameter.named<"model"::"old"> : tensor<4xf32>, sym_name = "old", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
    "util.global"() <{initial_value = #flow.parameter.named<"model"::"a"> : tensor<4xf32>, sym_name = "a", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
    "util.global"() <{initial_value = #flow.parameter.named<"model"::"b"> : tensor<4xf32>, sym_name = "b", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
    func.func @region_0(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = "util.global.load"() <{global = @b}> : () -> tensor<4xf32>
      %1 = "util.global.load"() <{global = @a}> : () -> tensor<4xf32>
      %2 = "util.global.load"() <{global = @b}> : () -> tensor<4xf32>
      %3 = arith.addf %0, %1 : tensor<4xf32>
      %4 = arith.mulf %3, %2 : tensor<4xf32>
      return %4 : tensor<4xf32>
    }
    func.func @region_1(%x: tensor<4xf32>) -> tensor<4xf32> {
      return %x : tensor<4xf32>
    }
  }
}
