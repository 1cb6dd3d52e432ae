// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-isolate-scatters))' | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// Places behind a reshape and values are computed before, each by itself; what is written into is not, nor an argument.
// CHECK-LABEL: func.func @both
// CHECK-SAME:    %[[X:[^:]+]]: tensor<6xf32>, %[[I:[^:]+]]: tensor<6xi64>
func.func @both(%x: tensor<6xf32>, %i: tensor<6xi64>, %j: tensor<6x1xi64>) -> (tensor<9xf32>, tensor<9xf32>) {
  %ef = tensor.empty() : tensor<6xf32>
  %ei = tensor.empty() : tensor<6xi64>
  // CHECK: %[[VALUES:.+]] = "flow.dispatch.region"() <{operandSegmentSizes = array<i32: 0, 0>}> ({
  // CHECK:   %[[V:.+]] = linalg.generic {{.*}} ins(%[[X]] : tensor<6xf32>)
  // CHECK:   "flow.return"(%[[V]]) : (tensor<6xf32>) -> ()
  // CHECK: }, {
  // CHECK-NEXT: }) : () -> tensor<6xf32>
  %values = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<6xf32>) outs(%ef : tensor<6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.addf %in, %in : f32
    linalg.yield %2 : f32
  } -> tensor<6xf32>
  // CHECK: %[[PLACES:.+]] = "flow.dispatch.region"()
  // CHECK:   linalg.generic {{.*}} ins(%[[I]] : tensor<6xi64>)
  // CHECK: }) : () -> tensor<6xi64>
  %places = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%i : tensor<6xi64>) outs(%ei : tensor<6xi64>) {
  ^bb0(%in: i64, %out: i64):
    %2 = arith.addi %in, %in : i64
    linalg.yield %2 : i64
  } -> tensor<6xi64>
  // CHECK: %[[COLUMN:.+]] = tensor.expand_shape %[[PLACES]]
  %column = tensor.expand_shape %places [[0, 1]] output_shape [6, 1] : tensor<6xi64> into tensor<6x1xi64>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<9xf32>
  // CHECK-NOT: flow.dispatch.region
  // CHECK: %[[ZEROS:.+]] = linalg.fill
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<9xf32>) -> tensor<9xf32>
  // CHECK: "tm_tensor.scatter"(%[[VALUES]], %[[COLUMN]], %[[ZEROS]])
  %0 = "tm_tensor.scatter"(%values, %column, %zeros)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: f32, %b: f32):
    %2 = arith.addf %a, %b : f32
    "tm_tensor.yield"(%2) : (f32) -> ()
  }) : (tensor<6xf32>, tensor<6x1xi64>, tensor<9xf32>) -> tensor<9xf32>
  // CHECK: "tm_tensor.scatter"(%[[VALUES]], %{{.+}}, %[[ZEROS]])
  %1 = "tm_tensor.scatter"(%values, %j, %zeros)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: f32, %b: f32):
    "tm_tensor.yield"(%a) : (f32) -> ()
  }) : (tensor<6xf32>, tensor<6x1xi64>, tensor<9xf32>) -> tensor<9xf32>
  return %0, %1 : tensor<9xf32>, tensor<9xf32>
}

// Of a size that is known at run time, which the region is told; f64, of which IREE has to be told the workgroups, too.
// CHECK-LABEL: func.func @dynamic
func.func @dynamic(%x: tensor<?xf64>, %i: tensor<?x1xi64>, %zeros: tensor<9xf64>) -> tensor<9xf64> {
  %c0 = arith.constant 0 : index
  // CHECK: %[[N:.+]] = tensor.dim %{{.+}}
  %n = tensor.dim %x, %c0 : tensor<?xf64>
  %e = tensor.empty(%n) : tensor<?xf64>
  // CHECK: %[[SIZE:.+]] = tensor.dim
  // CHECK: "flow.dispatch.region"(%[[SIZE]]) <{operandSegmentSizes = array<i32: 1, 0>}> ({
  // CHECK:   linalg.generic
  // CHECK: }, {
  // CHECK:   "iree_tensor_ext.dispatch.workgroup_count_from_slice"()
  // CHECK: }) : (index) -> tensor<?xf64>
  %values = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<?xf64>) outs(%e : tensor<?xf64>) {
  ^bb0(%in: f64, %out: f64):
    %2 = arith.addf %in, %in : f64
    linalg.yield %2 : f64
  } -> tensor<?xf64>
  %0 = "tm_tensor.scatter"(%values, %i, %zeros)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: f64, %b: f64):
    "tm_tensor.yield"(%a) : (f64) -> ()
  }) : (tensor<?xf64>, tensor<?x1xi64>, tensor<9xf64>) -> tensor<9xf64>
  return %0 : tensor<9xf64>
}

// A sort, or anything else, keeps what it reads.
// CHECK-LABEL: func.func @others
// CHECK-NOT: flow.dispatch.region
func.func @others(%x: tensor<6xf32>) -> tensor<6xf32> {
  %e = tensor.empty() : tensor<6xf32>
  %values = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<6xf32>) outs(%e : tensor<6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.addf %in, %in : f32
    linalg.yield %2 : f32
  } -> tensor<6xf32>
  %0 = "tm_tensor.sort"(%values) <{dimension = 0 : i64}> ({
  ^bb0(%a: f32, %b: f32):
    %2 = arith.cmpf ole, %a, %b : f32
    "tm_tensor.yield"(%2) : (i1) -> ()
  }) : (tensor<6xf32>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// What is the same in each call IREE computes at load anyway; what is copied unchanged is taken from where it comes from.
// CHECK-LABEL: func.func @constant
// CHECK-SAME:    %[[X:[^:]+]]: tensor<6xf32>
// CHECK-NOT:   flow.dispatch.region
// CHECK:       %[[PLACES:.+]] = linalg.generic {{.*}} outs(%{{.+}} : tensor<6xi64>)
// CHECK:       %[[VALUES:.+]] = "flow.dispatch.region"
// CHECK-NOT:   flow.dispatch.region
// CHECK:       %[[COPY:.+]] = linalg.generic {{.*}} ins(%[[VALUES]] : tensor<6xf32>)
// CHECK-NOT:   flow.dispatch.region
// CHECK:       "tm_tensor.scatter"(%[[COPY]],
func.func @constant(%x: tensor<6xf32>, %zeros: tensor<9xf32>) -> tensor<9xf32> {
  %ei = tensor.empty() : tensor<6xi64>
  %places = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%ei : tensor<6xi64>) {
  ^bb0(%out: i64):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    linalg.yield %j : i64
  } -> tensor<6xi64>
  %ef = tensor.empty() : tensor<6xf32>
  %values = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%x : tensor<6xf32>) outs(%ef : tensor<6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.addf %in, %in : f32
    linalg.yield %2 : f32
  } -> tensor<6xf32>
  %copy = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%values : tensor<6xf32>) outs(%ef : tensor<6xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<6xf32>
  %column = tensor.expand_shape %places [[0, 1]] output_shape [6, 1] : tensor<6xi64> into tensor<6x1xi64>
  %0 = "tm_tensor.scatter"(%copy, %column, %zeros)
      <{dimension_map = array<i64: 0>, operandSegmentSizes = array<i32: 2, 1>, unique_indices = false}> ({
  ^bb0(%a: f32, %b: f32):
    "tm_tensor.yield"(%a) : (f32) -> ()
  }) : (tensor<6xf32>, tensor<6x1xi64>, tensor<9xf32>) -> tensor<9xf32>
  return %0 : tensor<9xf32>
}
