// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-fold-uniform-tensors))' | FileCheck %s

#row = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>

// A sum of what is not known.
// CHECK-LABEL: func.func @unknown(
// CHECK: iterator_types = ["reduction"]
func.func @unknown(%t: tensor<?xf32>, %init: tensor<f32>) -> tensor<f32> {
  %r = linalg.generic {indexing_maps = [#row, #none], iterator_types = ["reduction"]}
      ins(%t : tensor<?xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.addf %o, %a : f32
    linalg.yield %d : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}

// Of a static size: IREE folds it right.
// CHECK-LABEL: func.func @static(
// CHECK: iterator_types = ["reduction"]
func.func @static(%init: tensor<f32>) -> tensor<f32> {
  %t = arith.constant dense<2.0> : tensor<5xf32>
  %r = linalg.generic {indexing_maps = [#row, #none], iterator_types = ["reduction"]}
      ins(%t : tensor<5xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.addf %o, %a : f32
    linalg.yield %d : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}

// A product, and the tensor that it is of.
// CHECK-LABEL: func.func @product(
// CHECK: iterator_types = ["parallel"]
// CHECK: iterator_types = ["reduction"]
func.func @product(%n: index, %init: tensor<f32>) -> tensor<f32> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %t = linalg.generic {indexing_maps = [#none, #row], iterator_types = ["parallel"]}
      ins(%two : tensor<f32>) outs(%e : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [#row, #none], iterator_types = ["reduction"]}
      ins(%t : tensor<?xf32>) outs(%init : tensor<f32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.mulf %o, %a : f32
    linalg.yield %d : f32
  } -> tensor<f32>
  return %r : tensor<f32>
}

// The place matters.
// CHECK-LABEL: func.func @places(
// CHECK: linalg.index
func.func @places(%n: index) -> tensor<?xi64> {
  %e = tensor.empty(%n) : tensor<?xi64>
  %t = linalg.generic {indexing_maps = [#row], iterator_types = ["parallel"]} outs(%e : tensor<?xi64>) {
  ^bb0(%o: i64):
    %i = linalg.index 0 : index
    %c = arith.index_cast %i : index to i64
    linalg.yield %c : i64
  } -> tensor<?xi64>
  return %t : tensor<?xi64>
}
