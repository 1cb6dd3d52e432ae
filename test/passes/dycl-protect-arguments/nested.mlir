// RUN: dycl-opt %s --split-input-file --dycl-protect-arguments | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// Written through views of the argument: reshaped, then cut out, then the destination of a product.
// CHECK-LABEL: func.func private @through_views
// CHECK-SAME: (%[[X:.+]]: tensor<8xf32>, %[[A:.+]]: tensor<2x2xf32>)
// CHECK: %[[VIEW:.+]] = tensor.expand_shape %[[X]]
// CHECK: %[[SLICE:.+]] = tensor.extract_slice %[[VIEW]]
// CHECK: %[[COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[SLICE]] : tensor<2x2xf32>)
// CHECK-NOT: linalg.generic
// CHECK: linalg.matmul ins(%[[A]], %[[A]] : tensor<2x2xf32>, tensor<2x2xf32>) outs(%[[COPY]] :
func.func private @through_views(%x: tensor<8xf32>, %a: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = tensor.expand_shape %x [[0, 1]] output_shape [4, 2] : tensor<8xf32> into tensor<4x2xf32>
  %1 = tensor.extract_slice %0[1, 0] [2, 2] [1, 1] : tensor<4x2xf32> to tensor<2x2xf32>
  %2 = linalg.matmul ins(%a, %a : tensor<2x2xf32>, tensor<2x2xf32>) outs(%1 : tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}

// -----

#map = affine_map<(d0) -> (d0)>

// Written through a plain copy, which IREE folds.
// CHECK-LABEL: func.func private @through_copy
// CHECK-SAME: (%[[X:[^:]+]]: tensor<3xf32>
// CHECK: %[[PLAIN:.+]] = linalg.generic
// CHECK-SAME: ins(%[[X]] : tensor<3xf32>)
// CHECK: %[[PROTECTED:.+]] = linalg.generic
// CHECK-SAME: ins(%[[PLAIN]] : tensor<3xf32>)
// CHECK: arith.select
// CHECK: tensor.insert %{{.+}} into %[[PROTECTED]]
func.func private @through_copy(%x: tensor<3xf32>, %v: f32, %i: index) -> tensor<3xf32> {
  %0 = tensor.empty() : tensor<3xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<3xf32>) outs(%0 : tensor<3xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<3xf32>
  %2 = tensor.insert %v into %1[%i] : tensor<3xf32>
  return %2 : tensor<3xf32>
}

// -----

// A loop may write into what it starts with, and a branch hands its values on. %y is read in the loop only.
// CHECK-LABEL: func.func private @control_flow
// CHECK-SAME: (%[[X:[^:]+]]: tensor<3xf32>, %[[Y:[^:]+]]: tensor<3xi32>, %[[Z:[^:]+]]: tensor<3xf64>
// CHECK: %[[X_COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[X]] : tensor<3xf32>)
// CHECK-NOT: linalg.generic
// CHECK: scf.for {{.+}} iter_args(%[[CARRIED:.+]] = %[[X_COPY]])
// CHECK: tensor.extract %[[Y]]
// CHECK: tensor.insert %{{.+}} into %[[CARRIED]]
// CHECK: %[[CHOSEN:.+]] = scf.if
// CHECK: scf.yield %[[Z]]
// CHECK: %[[Z_COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[CHOSEN]] : tensor<3xf64>)
// CHECK: tensor.insert %{{.+}} into %[[Z_COPY]]
func.func private @control_flow(%x: tensor<3xf32>, %y: tensor<3xi32>, %z: tensor<3xf64>, %p: i1, %v: f64)
    -> (tensor<3xf32>, tensor<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %0 = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> (tensor<3xf32>) {
    %3 = tensor.extract %y[%i] : tensor<3xi32>
    %4 = arith.sitofp %3 : i32 to f32
    %5 = tensor.insert %4 into %a[%i] : tensor<3xf32>
    scf.yield %5 : tensor<3xf32>
  }
  %1 = scf.if %p -> (tensor<3xf64>) {
    scf.yield %z : tensor<3xf64>
  } else {
    %3 = tensor.empty() : tensor<3xf64>
    scf.yield %3 : tensor<3xf64>
  }
  %2 = tensor.insert %v into %1[%c0] : tensor<3xf64>
  return %0, %2 : tensor<3xf32>, tensor<3xf64>
}
