// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv --mlir-pass-statistics 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=COUNT --input-file=%t
// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv | dycl-opt --allow-unregistered-dialect

// COUNT-DAG: 0 num-divisions
// COUNT-DAG: 0 num-long-ops
// COUNT-DAG: 13 num-reductions

// Rows of unknown number: one loop for each column, eight rows at a time, and what remains. No element of a user reduces
// anew.
// CHECK-LABEL: func.func @columns
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[INIT:.+]]: tensor<8xf32>)
func.func @columns(%x: tensor<?x8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK: %[[SIZE:.+]] = tensor.dim %[[X]], %c0
  // CHECK: %[[ALONE:.+]] = "flow.dispatch.region"() <{operandSegmentSizes = array<i32: 0, 0>}> ({
  // CHECK-NEXT: %[[SUMS:.+]] = linalg.generic {{.*}}iterator_types = ["parallel"]} outs(%[[INIT]] : tensor<8xf32>)
  // CHECK-NEXT: ^bb0(%[[OUT:.+]]: f32):
  // CHECK: %[[J:.+]] = linalg.index 0
  // CHECK: %[[MAIN:.+]] = scf.for %[[I:[a-z0-9]+]] = %{{.+}} iter_args(%[[ACC:.+]] = %[[OUT]]) -> (f32)
  // CHECK-NEXT: %[[IN:.+]] = tensor.extract %[[X]][%[[I]], %[[J]]]
  // CHECK-NEXT: arith.addf %[[IN]], %[[ACC]]
  // CHECK-COUNT-7: tensor.extract %[[X]]
  // CHECK: %[[SUM:.+]] = scf.for %[[I:[a-z0-9]+]] = %{{.+}} to %[[SIZE]] {{.*}} iter_args(%[[ACC:.+]] = %[[MAIN]]) -> (f32)
  // CHECK-NEXT: %[[IN:.+]] = tensor.extract %[[X]][%[[I]], %[[J]]]
  // CHECK-NEXT: %[[NEXT:.+]] = arith.addf %[[IN]], %[[ACC]]
  // CHECK-NEXT: scf.yield %[[NEXT]]
  // CHECK: linalg.yield %[[SUM]]
  // CHECK: "flow.return"(%[[SUMS]])
  // CHECK-NEXT: }, {
  // CHECK-NEXT: }) : () -> tensor<8xf32>
  // CHECK-NEXT: return %[[ALONE]]
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

// A result of dynamic size, of which IREE is told.
// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[INIT:.+]]: tensor<?xf32>)
// CHECK: tensor.dim %[[INIT]],
// CHECK: %[[SIZE:.+]] = tensor.dim %[[INIT]],
// CHECK: %[[ROWS:.+]] = "flow.dispatch.region"(%[[SIZE]]) <{operandSegmentSizes = array<i32: 1, 0>}> ({
// CHECK: }) : (index) -> tensor<?xf32>
// CHECK: return %[[ROWS]]
func.func @rows(%x: tensor<?x8xf32>, %init: tensor<?xf32>) -> tensor<?xf32> {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<?x8xf32>) outs(%init : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.addf %in, %out : f32
    linalg.yield %1 : f32
  } -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// f64 that IREE may make f32 of: how many workgroups there are is said, if that depends on no size; and f32 of dynamic
// size, which may be the same then, is in no dispatch either.
// CHECK-LABEL: func.func @double
// CHECK: "flow.dispatch.region"
// CHECK: }, {
// CHECK-NEXT: %[[WORKGROUPS:.+]]:3 = "iree_tensor_ext.dispatch.workgroup_count_from_slice"() : () -> (index, index, index)
// CHECK-NEXT: "flow.return"(%[[WORKGROUPS]]#0, %[[WORKGROUPS]]#1, %[[WORKGROUPS]]#2)
// CHECK-NOT: flow.dispatch.region
// CHECK: return
func.func @double(%x: tensor<?x8xf64>, %columns: tensor<8xf64>, %rows: tensor<?xf64>, %y: tensor<?x8xf32>,
                  %others: tensor<?xf32>) -> (tensor<8xf64>, tensor<?xf64>, tensor<?xf32>) {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>],
      iterator_types = ["reduction", "parallel"]} ins(%x : tensor<?x8xf64>) outs(%columns : tensor<8xf64>) {
  ^bb0(%in: f64, %out: f64):
    %4 = arith.addf %in, %out : f64
    linalg.yield %4 : f64
  } -> tensor<8xf64>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<?x8xf64>) outs(%rows : tensor<?xf64>) {
  ^bb0(%in: f64, %out: f64):
    %4 = arith.addf %in, %out : f64
    linalg.yield %4 : f64
  } -> tensor<?xf64>
  %2 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%y : tensor<?x8xf32>) outs(%others : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %3 = arith.addf %in, %out : f32
    linalg.yield %3 : f32
  } -> tensor<?xf32>
  return %0, %1, %2 : tensor<8xf64>, tensor<?xf64>, tensor<?xf32>
}

// The reduced dimension is kept, as 1.
// CHECK-LABEL: func.func @kept
// CHECK: linalg.generic {indexing_maps = [#[[MAP:.+]]], iterator_types = ["parallel"]} outs(%{{.+}} : tensor<6x1xi1>)
// CHECK: scf.for
// CHECK: arith.andi
func.func @kept(%x: tensor<6x?xi1>, %init: tensor<6x1xi1>) -> tensor<6x1xi1> {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<6x?xi1>) outs(%init : tensor<6x1xi1>) {
  ^bb0(%in: i1, %out: i1):
    %1 = arith.andi %in, %out : i1
    linalg.yield %1 : i1
  } -> tensor<6x1xi1>
  return %0 : tensor<6x1xi1>
}

// A product by a cache that grows, and one of more terms than lavapipe's loops have iterations.
// CHECK-LABEL: func.func @products
// CHECK-NOT: linalg.matmul
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: linalg.matmul
// CHECK: return
func.func @products(%x: tensor<1x48xf32>, %y: tensor<48x?xf32>, %init: tensor<1x?xf32>,
                    %a: tensor<1x70000xf32>, %b: tensor<70000x3xf32>, %to: tensor<1x3xf32>)
    -> (tensor<1x?xf32>, tensor<1x3xf32>) {
  %0 = linalg.matmul ins(%x, %y : tensor<1x48xf32>, tensor<48x?xf32>) outs(%init : tensor<1x?xf32>) -> tensor<1x?xf32>
  %1 = linalg.matmul ins(%a, %b : tensor<1x70000xf32>, tensor<70000x3xf32>) outs(%to : tensor<1x3xf32>)
      -> tensor<1x3xf32>
  return %0, %1 : tensor<1x?xf32>, tensor<1x3xf32>
}

// The rows of a workgroup, 5 or 64, are more than shared memory has; 5 x 16 are not, and a product reads its factors.
// CHECK-LABEL: func.func @static
// CHECK-SAME: %[[A:.+]]: tensor<5x4000xf32>, %[[B:.+]]: tensor<5x16xf32>, %[[C:.+]]: tensor<128x256xf32>
// CHECK: scf.for
// CHECK: tensor.extract %[[A]]
// CHECK-NOT: flow.dispatch.region
// CHECK: linalg.generic {{.*}} ins(%[[B]] :
// CHECK: scf.for
// CHECK: tensor.extract %[[C]]
// CHECK-NOT: flow.dispatch.region
// CHECK: linalg.matmul
func.func @static(%a: tensor<5x4000xf32>, %b: tensor<5x16xf32>, %c: tensor<128x256xf32>, %five: tensor<5xf32>,
                  %many: tensor<128xf32>, %w: tensor<16x3xf32>, %to: tensor<5x3xf32>)
    -> (tensor<5xf32>, tensor<5xf32>, tensor<128xf32>, tensor<5x3xf32>) {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%a : tensor<5x4000xf32>) outs(%five : tensor<5xf32>) {
  ^bb0(%in: f32, %out: f32):
    %4 = arith.addf %in, %out : f32
    linalg.yield %4 : f32
  } -> tensor<5xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%b : tensor<5x16xf32>) outs(%five : tensor<5xf32>) {
  ^bb0(%in: f32, %out: f32):
    %4 = arith.mulf %in, %out : f32
    linalg.yield %4 : f32
  } -> tensor<5xf32>
  %2 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
      iterator_types = ["parallel", "reduction"]} ins(%c : tensor<128x256xf32>) outs(%many : tensor<128xf32>) {
  ^bb0(%in: f32, %out: f32):
    %4 = arith.maximumf %in, %out : f32
    linalg.yield %4 : f32
  } -> tensor<128xf32>
  %3 = linalg.matmul ins(%b, %w : tensor<5x16xf32>, tensor<16x3xf32>) outs(%to : tensor<5x3xf32>) -> tensor<5x3xf32>
  return %0, %1, %2, %3 : tensor<5xf32>, tensor<5xf32>, tensor<128xf32>, tensor<5x3xf32>
}

// CHECK: func.func private @external
func.func private @external(tensor<?xf32>) -> tensor<f32>
