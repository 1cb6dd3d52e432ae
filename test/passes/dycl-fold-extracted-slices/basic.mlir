// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-fold-extracted-slices))' -split-input-file | FileCheck %s

// A column, at places that are data.
// CHECK-LABEL: func.func @column
// CHECK-SAME: %[[TABLE:.+]]: tensor<?x2xi64>, %[[PLACES:.+]]: tensor<?xi64>
// CHECK: %[[C1:.+]] = arith.constant 1 : index
// CHECK: linalg.generic
// CHECK: %[[PLACE:.+]] = arith.index_cast %{{.+}} : i64 to index
// CHECK: tensor.extract %[[TABLE]][%[[PLACE]], %[[C1]]] : tensor<?x2xi64>
#vector = affine_map<(d0) -> (d0)>
func.func @column(%table: tensor<?x2xi64>, %places: tensor<?xi64>, %n: index, %m: index) -> tensor<?xi64> {
  %0 = tensor.extract_slice %table[0, 1] [%n, 1] [1, 1] : tensor<?x2xi64> to tensor<?x1xi64>
  %1 = tensor.collapse_shape %0 [[0, 1]] : tensor<?x1xi64> into tensor<?xi64>
  %2 = tensor.empty(%m) : tensor<?xi64>
  %3 = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%places : tensor<?xi64>) outs(%2 : tensor<?xi64>) {
  ^bb0(%place: i64, %out: i64):
    %4 = arith.index_cast %place : i64 to index
    %5 = tensor.extract %1[%4] : tensor<?xi64>
    linalg.yield %5 : i64
  } -> tensor<?xi64>
  return %3 : tensor<?xi64>
}

// -----

// Offsets and strides, constant and not; a dimension that the slice drops itself.
// CHECK-LABEL: func.func @strides
// CHECK-SAME: %[[T:.+]]: tensor<?x?x?xf32>, %[[O:.+]]: index, %[[S:.+]]: index, %[[I:.+]]: index, %[[J:.+]]: index
// CHECK-DAG: %[[C3:.+]] = arith.constant 3 : index
// CHECK-DAG: %[[SCALED:.+]] = arith.muli %[[I]], %[[S]] : index
// CHECK-DAG: %[[FIRST:.+]] = arith.addi %[[O]], %[[SCALED]] : index
// CHECK-DAG: %[[C2:.+]] = arith.constant 2 : index
// CHECK-DAG: %[[LAST:.+]] = arith.muli %[[J]], %[[C2]] : index
// CHECK: tensor.extract %[[T]][%[[FIRST]], %[[C3]], %[[LAST]]] : tensor<?x?x?xf32>
func.func @strides(%t: tensor<?x?x?xf32>, %o: index, %s: index, %i: index, %j: index) -> f32 {
  %0 = tensor.extract_slice %t[%o, 3, 0] [4, 1, 5] [%s, 1, 2] : tensor<?x?x?xf32> to tensor<4x5xf32>
  %1 = tensor.extract %0[%i, %j] : tensor<4x5xf32>
  return %1 : f32
}

// -----

// Two dimensions that are one afterwards: the place would have to be taken apart.
// CHECK-LABEL: func.func @two_dimensions
// CHECK: tensor.collapse_shape
// CHECK: tensor.extract %{{.+}}[%{{.+}}] : tensor<?xf32>
func.func @two_dimensions(%t: tensor<?x2xf32>, %i: index) -> f32 {
  %0 = tensor.collapse_shape %t [[0, 1]] : tensor<?x2xf32> into tensor<?xf32>
  %1 = tensor.extract %0[%i] : tensor<?xf32>
  return %1 : f32
}
