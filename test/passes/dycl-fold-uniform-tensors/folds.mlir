// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-fold-uniform-tensors))' | FileCheck %s

#row = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>
#rows = affine_map<(d0, d1) -> (d0, d1)>
#first = affine_map<(d0, d1) -> (d0)>

// How many places of a mask hold: the size.
// CHECK-LABEL: func.func @count(
// CHECK-SAME: %[[N:.*]]: index
// CHECK-NOT: iterator_types = ["reduction"]
// CHECK: linalg.generic {{.*}}iterator_types = []
// CHECK: arith.index_cast %{{.*}} : index to i64
// CHECK: arith.addi
func.func @count(%n: index) -> tensor<i64> {
  %zero = arith.constant 0 : i64
  %none = arith.constant -100 : i64
  %e = tensor.empty(%n) : tensor<?xi64>
  %t = linalg.fill ins(%zero : i64) outs(%e : tensor<?xi64>) -> tensor<?xi64>
  %b = tensor.empty(%n) : tensor<?xi1>
  %mask = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]}
      ins(%t : tensor<?xi64>) outs(%b : tensor<?xi1>) {
  ^bb0(%a: i64, %o: i1):
    %c = arith.cmpi ne, %a, %none : i64
    linalg.yield %c : i1
  } -> tensor<?xi1>
  %i = tensor.empty() : tensor<i64>
  %init = linalg.fill ins(%zero : i64) outs(%i : tensor<i64>) -> tensor<i64>
  %count = linalg.generic {indexing_maps = [#row, #none], iterator_types = ["reduction"]}
      ins(%mask : tensor<?xi1>) outs(%init : tensor<i64>) {
  ^bb0(%a: i1, %o: i64):
    %c = arith.extui %a : i1 to i64
    %d = arith.addi %c, %o : i64
    linalg.yield %d : i64
  } -> tensor<i64>
  return %count : tensor<i64>
}

// The largest of each row: the number, where there is any.
// CHECK-LABEL: func.func @largest(
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel"]
// CHECK: arith.maximumf
// CHECK: arith.cmpi ne
// CHECK: arith.select
func.func @largest(%init: tensor<3xf32>, %n: index) -> tensor<3xf32> {
  %two = arith.constant 2.0 : f32
  %e = tensor.empty(%n) : tensor<3x?xf32>
  %t = linalg.fill ins(%two : f32) outs(%e : tensor<3x?xf32>) -> tensor<3x?xf32>
  %r = linalg.generic {indexing_maps = [#rows, #first], iterator_types = ["parallel", "reduction"]}
      ins(%t : tensor<3x?xf32>) outs(%init : tensor<3xf32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.maximumf %o, %a : f32
    linalg.yield %d : f32
  } -> tensor<3xf32>
  return %r : tensor<3xf32>
}
