// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv --mlir-pass-statistics 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=COUNT --input-file=%t
// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv | dycl-opt --allow-unregistered-dialect

// COUNT-DAG: 0 num-divisions
// COUNT-DAG: 4 num-reductions

// Rows of unknown number: one loop for each column.
// CHECK-LABEL: func.func @columns
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[INIT:.+]]: tensor<8xf32>)
func.func @columns(%x: tensor<?x8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK: %[[SIZE:.+]] = tensor.dim %[[X]], %c0
  // CHECK: linalg.generic {{.*}}iterator_types = ["parallel"]} outs(%[[INIT]] : tensor<8xf32>)
  // CHECK-NEXT: ^bb0(%[[OUT:.+]]: f32):
  // CHECK: %[[J:.+]] = linalg.index 0
  // CHECK: %[[SUM:.+]] = scf.for %[[I:[a-z0-9]+]] = %{{.+}} to %[[SIZE]] {{.*}} iter_args(%[[ACC:.+]] = %[[OUT]]) -> (f32)
  // CHECK-NEXT: %[[IN:.+]] = tensor.extract %[[X]][%[[I]], %[[J]]]
  // CHECK-NEXT: %[[NEXT:.+]] = arith.addf %[[IN]], %[[ACC]]
  // CHECK-NEXT: scf.yield %[[NEXT]]
  // CHECK: linalg.yield %[[SUM]]
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>],
      iterator_types = ["reduction", "parallel"]} ins(%x : tensor<?x8xf32>) outs(%init : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.addf %in, %out : f32
    linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// Two results, transposed; an index of the reduced loop; an i64 goes through the loop in halves.
// CHECK-LABEL: func.func @argmax
// CHECK-SAME: (%[[X:.+]]: tensor<3x?x5xf32>
func.func @argmax(%x: tensor<3x?x5xf32>, %v: tensor<5x3xf32>, %i: tensor<3x5xi64>)
    -> (tensor<5x3xf32>, tensor<3x5xi64>) {
  // CHECK: linalg.generic {indexing_maps = [#{{.+}}, #{{.+}}], iterator_types = ["parallel", "parallel"]}
  // CHECK-NEXT: ^bb0(%[[V:.+]]: f32, %[[AT:.+]]: i64):
  // CHECK-DAG: %[[P:.+]] = linalg.index 0
  // CHECK-DAG: %[[Q:.+]] = linalg.index 1
  // CHECK-DAG: %[[LOW:.+]] = arith.trunci %[[AT]] : i64 to i32
  // CHECK: scf.for %[[K:[a-z0-9]+]] = {{.*}} iter_args(%{{.+}} = %[[V]], %{{.+}} = %[[LOW]], %{{.+}} = %{{.+}}) -> (f32, i32, i32)
  // CHECK-NEXT: tensor.extract %[[X]][%[[P]], %[[K]], %[[Q]]]
  // CHECK: arith.index_cast %[[K]] : index to i64
  // CHECK: linalg.yield %{{.+}}, %{{.+}} : f32, i64
  %0:2 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d2, d0)>,
                       affine_map<(d0, d1, d2) -> (d0, d2)>],
      iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%x : tensor<3x?x5xf32>) outs(%v, %i : tensor<5x3xf32>, tensor<3x5xi64>) {
  ^bb0(%in: f32, %out: f32, %at: i64):
    %k = linalg.index 1 : index
    %n = arith.index_cast %k : index to i64
    %greater = arith.cmpf ogt, %in, %out : f32
    %1 = arith.select %greater, %in, %out : f32
    %2 = arith.select %greater, %n, %at : i64
    linalg.yield %1, %2 : f32, i64
  } -> (tensor<5x3xf32>, tensor<3x5xi64>)
  return %0#0, %0#1 : tensor<5x3xf32>, tensor<3x5xi64>
}

// CHECK-LABEL: func.func @depthwise
// CHECK-SAME: (%[[X:.+]]: tensor<1x2x5x5xf32>, %[[W:.+]]: tensor<2x3x3xf32>
func.func @depthwise(%x: tensor<1x2x5x5xf32>, %w: tensor<2x3x3xf32>, %init: tensor<1x2x2x2xf32>)
    -> tensor<1x2x2x2xf32> {
  // CHECK-NOT: linalg.depthwise
  // CHECK: scf.for %[[I:[a-z0-9]+]] = %
  // CHECK: scf.for %[[J:[a-z0-9]+]] = %
  // CHECK: %[[ROW:.+]] = arith.addi %{{.+}}, %[[I]]
  // CHECK: %[[COLUMN:.+]] = arith.addi %{{.+}}, %[[J]]
  // CHECK: tensor.extract %[[X]][%{{.+}}, %[[C:.+]], %[[ROW]], %[[COLUMN]]]
  // CHECK: tensor.extract %[[W]][%[[C]], %[[I]], %[[J]]]
  %0 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
      ins(%x, %w : tensor<1x2x5x5xf32>, tensor<2x3x3xf32>) outs(%init : tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  return %0 : tensor<1x2x2x2xf32>
}

// To a number: no parallel loop at all.
// CHECK-LABEL: func.func @all
// CHECK: linalg.generic {indexing_maps = [#{{.+}}], iterator_types = []}
// CHECK: scf.for
// CHECK: scf.for
func.func @all(%x: tensor<?x?xf32>, %init: tensor<f32>) -> tensor<f32> {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> ()>],
      iterator_types = ["reduction", "reduction"]} ins(%x : tensor<?x?xf32>) outs(%init : tensor<f32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.maximumf %in, %out : f32
    linalg.yield %1 : f32
  } -> tensor<f32>
  return %0 : tensor<f32>
}

// What is reduced has a static size.
// CHECK-LABEL: func.func @static_size
// CHECK: linalg.matmul
// CHECK-NOT: scf.for
func.func @static_size(%x: tensor<4x8xf32>, %y: tensor<?x4xf32>, %init: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = linalg.matmul ins(%y, %x : tensor<?x4xf32>, tensor<4x8xf32>) outs(%init : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK: func.func private @external
func.func private @external(tensor<?xf32>) -> tensor<f32>
