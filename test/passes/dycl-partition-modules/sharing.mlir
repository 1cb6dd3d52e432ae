// RUN: dycl-opt %s --dycl-partition-modules | FileCheck %s
// RUN: dycl-opt %s --dycl-partition-modules=max-shared-bytes=35 | FileCheck %s --check-prefix=LIMIT
// RUN: dycl-opt %s --dycl-partition-modules=max-shared-bytes=-1 | FileCheck %s --check-prefix=NONE

// Regions with the same code but for the keys of weights are functions of one module; each keeps its own name, weights
// and place, and the order of its operands. Which weights are the same one is code.

// CHECK-LABEL: dycl.program @main
// CHECK:       dycl.region @first : {{.*}}module = @first_module, parameters = ["a.w", "a.b"]}
// CHECK-NEXT:  module @first_module {
// CHECK-NEXT:    sym_name = "a_w"
// CHECK-NEXT:    sym_name = "a_b"
// CHECK-NEXT:    sym_name = "third_1"
// CHECK-NEXT:    sym_name = "c_b"
// CHECK-NEXT:    func.func @first(%[[X:.+]]: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:      %[[W:.+]] = "util.global.load"() <{global = @a_w}>
// CHECK-NEXT:      %[[B:.+]] = "util.global.load"() <{global = @a_b}>
// CHECK-NEXT:      %[[P:.+]] = arith.mulf %[[X]], %[[W]]
// CHECK-NEXT:      arith.addf %[[P]], %[[B]]
// CHECK:         func.func @third(%[[X:.+]]: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:      %[[W:.+]] = "util.global.load"() <{global = @third_1}>
// CHECK-NEXT:      %[[B:.+]] = "util.global.load"() <{global = @c_b}>
// CHECK-NEXT:      %[[P:.+]] = arith.mulf %[[X]], %[[W]]
// CHECK-NEXT:      arith.addf %[[P]], %[[B]]
// CHECK:         func.func @same_weights(%{{.+}}: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:      "util.global.load"() <{global = @a_b}>
// CHECK-NEXT:      "util.global.load"() <{global = @a_w}>
// CHECK:       dycl.region @other_code : {{.*}}module = @other_code_module
// CHECK:       dycl.region @third : {{.*}}module = @first_module, parameters = ["third", "c.b"]}
// CHECK-NOT:   module @third_module
// CHECK:       dycl.region @one_weight : {{.*}}module = @one_weight_module, parameters = ["d"]}
// CHECK:       dycl.region @same_weights : {{.*}}module = @first_module, parameters = ["a.b", "a.w"]}
// CHECK:       dycl.region @other_constant : {{.*}}module = @other_constant_module
// CHECK:       dycl.region @other_type : {{.*}}module = @other_type_module

// Two of 32 bytes of weights are more than 35 bytes; one of 16 bytes shares with nobody here.
// LIMIT-DAG: dycl.region @first : {{.*}}module = @first_module
// LIMIT-DAG: dycl.region @third : {{.*}}module = @third_module
// LIMIT-DAG: dycl.region @same_weights : {{.*}}module = @same_weights_module

// NONE-COUNT-7: dycl.region @[[NAME:.+]] : {{.*}}module = @[[NAME]]_module

dycl.program @main(%x: tensor<4xf32>, %y: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0 = dycl.invoke @first(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = dycl.invoke @other_code(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = dycl.invoke @third(%1) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = dycl.invoke @one_weight(%2) : (tensor<4xf32>) -> tensor<4xf32>
  %4 = dycl.invoke @same_weights(%3) : (tensor<4xf32>) -> tensor<4xf32>
  %5 = dycl.invoke @other_constant(%4) : (tensor<4xf32>) -> tensor<4xf32>
  %6 = dycl.invoke @other_type(%y) : (tensor<5xf32>) -> tensor<5xf32>
  dycl.return %5, %6 : tensor<4xf32>, tensor<5xf32>
}
func.func private @first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "a.w" : tensor<4xf32>
  %b = dycl.parameter "a.b" : tensor<4xf32>
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %1 = arith.addf %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}
// The weights are used the other way round.
func.func private @other_code(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "b.w" : tensor<4xf32>
  %b = dycl.parameter "b.b" : tensor<4xf32>
  %0 = arith.mulf %x, %b : tensor<4xf32>
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
// A key may be what a function is called.
func.func private @third(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "third" : tensor<4xf32>
  %b = dycl.parameter "c.b" : tensor<4xf32>
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %1 = arith.addf %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @one_weight(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "d" : tensor<4xf32>
  %b = dycl.parameter "d" : tensor<4xf32>
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %1 = arith.addf %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}
// The weights of the first, exchanged: no further globals.
func.func private @same_weights(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "a.b" : tensor<4xf32>
  %b = dycl.parameter "a.w" : tensor<4xf32>
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %1 = arith.addf %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @other_constant(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "e.w" : tensor<4xf32>
  %b = arith.constant dense<2.0> : tensor<4xf32>
  %0 = arith.mulf %x, %w : tensor<4xf32>
  %1 = arith.addf %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @other_type(%x: tensor<5xf32>) -> tensor<5xf32> {
  %w = dycl.parameter "f.w" : tensor<5xf32>
  %b = dycl.parameter "f.b" : tensor<5xf32>
  %0 = arith.mulf %x, %w : tensor<5xf32>
  %1 = arith.addf %0, %b : tensor<5xf32>
  return %1 : tensor<5xf32>
}
