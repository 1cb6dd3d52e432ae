// RUN: dycl-opt %s --split-input-file --dycl-protect-arguments | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// A computed tensor that is read and written: the write gets a copy, the read does not.
// CHECK-LABEL: func.func private @read_and_written
// CHECK: %[[Y:.+]] = linalg.generic
// CHECK: arith.addf
// CHECK: %[[READ:.+]] = tensor.extract %[[Y]]
// CHECK: %[[COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[Y]] : tensor<3xf32>)
// CHECK: arith.select
// CHECK: tensor.insert %[[READ]] into %[[COPY]]
func.func private @read_and_written(%x: tensor<3xf32>, %i: index) -> tensor<3xf32> {
  %0 = tensor.empty() : tensor<3xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<3xf32>) outs(%0 : tensor<3xf32>) {
  ^bb0(%in: f32, %out: f32):
    %4 = arith.addf %in, %in : f32
    linalg.yield %4 : f32
  } -> tensor<3xf32>
  %2 = tensor.extract %1[%i] : tensor<3xf32>
  %3 = tensor.insert %2 into %1[%i] : tensor<3xf32>
  return %3 : tensor<3xf32>
}

// -----

#map = affine_map<(d0) -> (d0)>

// Written twice, through a view and without, as different types: each write gets a copy of its own.
// CHECK-LABEL: func.func private @written_twice
// CHECK: %[[Y:.+]] = "test.source"() : () -> tensor<4xi64>
// CHECK: %[[VIEW:.+]] = tensor.expand_shape %[[Y]]
// CHECK: %[[FIRST:.+]] = linalg.generic
// CHECK-SAME: ins(%[[VIEW]] : tensor<2x2xi64>)
// CHECK: tensor.insert %{{.+}} into %[[FIRST]]
// CHECK: %[[SECOND:.+]] = linalg.generic
// CHECK-SAME: ins(%[[Y]] : tensor<4xi64>)
// CHECK: tensor.insert %{{.+}} into %[[SECOND]]
func.func private @written_twice(%v: i64, %i: index) -> (tensor<2x2xi64>, tensor<4xi64>) {
  %0 = "test.source"() : () -> tensor<4xi64>
  %1 = tensor.expand_shape %0 [[0, 1]] output_shape [2, 2] : tensor<4xi64> into tensor<2x2xi64>
  %2 = tensor.insert %v into %1[%i, %i] : tensor<2x2xi64>
  %3 = tensor.insert %v into %0[%i] : tensor<4xi64>
  return %2, %3 : tensor<2x2xi64>, tensor<4xi64>
}

// -----

// A chain of writes, each the only use of the one before; asking for a size is no use.
// CHECK-LABEL: func.func private @chain
// CHECK-NOT: util.optimization_barrier
// CHECK: return
func.func private @chain(%v: f32, %i: index) -> (tensor<?xf32>, index) {
  %0 = "test.source"() : () -> tensor<?xf32>
  %c0 = arith.constant 0 : index
  %1 = tensor.dim %0, %c0 : tensor<?xf32>
  %2 = tensor.insert %v into %0[%i] : tensor<?xf32>
  %3 = tensor.insert %v into %2[%c0] : tensor<?xf32>
  return %3, %1 : tensor<?xf32>, index
}

// -----

// IREE makes a fill, a constant, a weight or nothing anew for each that starts with it.
// CHECK-LABEL: func.func private @made_anew
// CHECK-NOT: util.optimization_barrier
// CHECK: return
func.func private @made_anew(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>, %v: f32, %i: index)
    -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<2x2xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = linalg.matmul ins(%a, %b : tensor<2x3xf32>, tensor<3x2xf32>) outs(%1 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = linalg.matmul ins(%2, %2 : tensor<2x2xf32>, tensor<2x2xf32>) outs(%1 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %5 = tensor.insert %v into %4[%i] : tensor<4xf32>
  %6 = dycl.parameter "w" : tensor<4xf32>
  %7 = tensor.insert %v into %6[%i] : tensor<4xf32>
  return %2, %3, %4, %5, %6, %7
      : tensor<2x2xf32>, tensor<2x2xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

#bias = affine_map<(d0, d1) -> (d1)>
#rows = affine_map<(d0, d1) -> (d0, d1)>

// What a broadcast gives is no copy of what it takes: a bias, which others read, that products start with.
// CHECK-LABEL: func.func private @broadcast
// CHECK-NOT: util.optimization_barrier
// CHECK: return
func.func private @broadcast(%a: tensor<?x3xf32>, %w: tensor<3x2xf32>, %rows: index) -> (tensor<?x2xf32>, tensor<2xf32>) {
  %0 = "test.source"() : () -> tensor<2xf32>
  %1 = tensor.empty(%rows) : tensor<?x2xf32>
  %2 = linalg.generic {indexing_maps = [#bias, #rows], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<2xf32>) outs(%1 : tensor<?x2xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<?x2xf32>
  %3 = linalg.matmul ins(%a, %w : tensor<?x3xf32>, tensor<3x2xf32>) outs(%2 : tensor<?x2xf32>) -> tensor<?x2xf32>
  return %3, %0 : tensor<?x2xf32>, tensor<2xf32>
}

// -----

// What a loop's body writes over in each iteration, and what it hands on after reading it: the first needs a copy.
// CHECK-LABEL: func.func private @in_a_loop
// CHECK: %[[Y:.+]] = "test.source"() : () -> tensor<3xf32>
// CHECK: scf.for {{.+}} iter_args(%[[CARRIED:.+]] =
// CHECK: %[[COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[Y]] : tensor<3xf32>)
// CHECK: %[[WRITTEN:.+]] = tensor.insert %{{.+}} into %[[COPY]]
// CHECK: tensor.extract %[[WRITTEN]]
// CHECK-NOT: linalg.generic
// CHECK: scf.yield %[[WRITTEN]]
func.func private @in_a_loop(%v: f32, %n: index) -> (tensor<3xf32>, f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = "test.source"() : () -> tensor<3xf32>
  %1 = tensor.empty() : tensor<3xf32>
  %2:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %1, %b = %v) -> (tensor<3xf32>, f32) {
    %3 = tensor.insert %b into %0[%c1] : tensor<3xf32>
    %4 = tensor.extract %3[%c0] : tensor<3xf32>
    scf.yield %3, %4 : tensor<3xf32>, f32
  }
  return %2#0, %2#1 : tensor<3xf32>, f32
}

// -----

#map = affine_map<(d0) -> (d0)>
#scalar = affine_map<(d0) -> ()>

// Two operations that write into zeros of two sizes, which IREE may find to be the same: a copy for each, unlike the
// other. What is filled is made anew for each anyway.
// CHECK-LABEL: func.func private @apart
// CHECK: arith.constant dense<0>
// CHECK: %[[A:.+]] = arith.constant 100003 : i64
// CHECK: %[[FIRST:.+]] = linalg.generic
// CHECK: arith.select %{{.+}}, %{{.+}}, %[[A]] : i64
// CHECK: "tm_tensor.scatter"(%{{.+}}, %{{.+}}, %[[FIRST]])
// CHECK: %[[B:.+]] = arith.constant 100004 : i64
// CHECK: %[[SECOND:.+]] = linalg.generic
// CHECK: arith.select %{{.+}}, %{{.+}}, %[[B]] : i64
// CHECK: "tm_tensor.scatter"(%{{.+}}, %{{.+}}, %[[SECOND]])
// CHECK: %[[FILLED:.+]] = linalg.fill
// CHECK: "tm_tensor.scatter"(%{{.+}}, %{{.+}}, %[[FILLED]])
func.func private @apart(%x: tensor<?xi64>, %places: tensor<?x1xi64>, %m: index, %n: index)
    -> (tensor<?xi64>, tensor<?xi64>, tensor<?xi64>) {
  %zero = arith.constant 0 : i64
  %zeros = arith.constant dense<0> : tensor<i64>
  %0 = tensor.empty(%m) : tensor<?xi64>
  %1 = linalg.generic {indexing_maps = [#scalar, #map], iterator_types = ["parallel"]}
      ins(%zeros : tensor<i64>) outs(%0 : tensor<?xi64>) {
  ^bb0(%in: i64, %out: i64):
    linalg.yield %in : i64
  } -> tensor<?xi64>
  %2 = "tm_tensor.scatter"(%x, %places, %1)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = true}> ({
  ^bb0(%a: i64, %b: i64):
    "tm_tensor.yield"(%a) : (i64) -> ()
  }) : (tensor<?xi64>, tensor<?x1xi64>, tensor<?xi64>) -> tensor<?xi64>
  %3 = tensor.empty(%n) : tensor<?xi64>
  %4 = linalg.generic {indexing_maps = [#scalar, #map], iterator_types = ["parallel"]}
      ins(%zeros : tensor<i64>) outs(%3 : tensor<?xi64>) {
  ^bb0(%in: i64, %out: i64):
    linalg.yield %in : i64
  } -> tensor<?xi64>
  %5 = "tm_tensor.scatter"(%x, %places, %4)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: i64, %b: i64):
    %8 = arith.addi %a, %b : i64
    "tm_tensor.yield"(%8) : (i64) -> ()
  }) : (tensor<?xi64>, tensor<?x1xi64>, tensor<?xi64>) -> tensor<?xi64>
  %6 = linalg.fill ins(%zero : i64) outs(%3 : tensor<?xi64>) -> tensor<?xi64>
  %7 = "tm_tensor.scatter"(%x, %places, %6)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: i64, %b: i64):
    "tm_tensor.yield"(%b) : (i64) -> ()
  }) : (tensor<?xi64>, tensor<?x1xi64>, tensor<?xi64>) -> tensor<?xi64>
  return %2, %5, %7 : tensor<?xi64>, tensor<?xi64>, tensor<?xi64>
}
