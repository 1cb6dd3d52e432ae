// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv --mlir-pass-statistics 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=COUNT --input-file=%t
// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv | dycl-opt --allow-unregistered-dialect

// COUNT-DAG: 3 num-divisions
// COUNT-DAG: 0 num-reductions

#map = affine_map<(d0) -> (d0)>

// By 32 bits if both are that short, else bit by bit; a table of i64 is not seen by the dispatch.
// CHECK-LABEL: func.func @signed
// CHECK: %[[TABLE:.+]] = arith.constant dense<[4, -2, 1]>
// CHECK: %[[HIDDEN:.+]] = "util.optimization_barrier"(%[[TABLE]])
// CHECK: linalg.generic
// CHECK: %[[IN:.+]] = tensor.extract %{{.+}}[
// CHECK: tensor.extract %[[HIDDEN]][
// CHECK: %[[NEGATIVE:.+]] = arith.cmpi slt, %[[IN]],
// CHECK: scf.if
// CHECK: arith.divui {{.*}} : i32
// CHECK: arith.remui {{.*}} : i32
// CHECK: } else {
// CHECK: scf.for {{.*}} : i32
// CHECK-NOT: arith.remsi
// CHECK: %[[RESULT:.+]] = arith.select %[[NEGATIVE]],
// CHECK-NEXT: linalg.yield %[[RESULT]]
func.func @signed(%x: tensor<3xi64>) -> tensor<3xi64> {
  %by = arith.constant dense<[4, -2, 1]> : tensor<3xi64>
  %empty = tensor.empty() : tensor<3xi64>
  %0 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
      ins(%x, %by : tensor<3xi64>, tensor<3xi64>) outs(%empty : tensor<3xi64>) {
  ^bb0(%in: i64, %d: i64, %out: i64):
    %1 = arith.remsi %in, %d : i64
    linalg.yield %1 : i64
  } -> tensor<3xi64>
  return %0 : tensor<3xi64>
}

// CHECK-LABEL: func.func @unsigned_and_floor
// CHECK-NOT: arith.floordivsi
// CHECK-NOT: arith.divui {{.*}} : i64
// CHECK: linalg.yield
func.func @unsigned_and_floor(%x: tensor<3xi64>) -> (tensor<3xi64>, tensor<3xi64>) {
  %empty = tensor.empty() : tensor<3xi64>
  %0:2 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<3xi64>) outs(%empty, %empty : tensor<3xi64>, tensor<3xi64>) {
  ^bb0(%in: i64, %a: i64, %b: i64):
    %c7 = arith.constant 7 : i64
    %1 = arith.divui %in, %c7 : i64
    %2 = arith.floordivsi %in, %c7 : i64
    linalg.yield %1, %2 : i64, i64
  } -> (tensor<3xi64>, tensor<3xi64>)
  return %0#0, %0#1 : tensor<3xi64>, tensor<3xi64>
}

// Scalars run on the host, and i32 is divided by the GPU.
// CHECK-LABEL: func.func @stay
// CHECK: arith.remsi {{.*}} : i32
// CHECK: arith.divsi {{.*}} : i64
func.func @stay(%x: tensor<3xi32>, %a: i64, %b: i64) -> (tensor<3xi32>, i64) {
  %empty = tensor.empty() : tensor<3xi32>
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<3xi32>) outs(%empty : tensor<3xi32>) {
  ^bb0(%in: i32, %out: i32):
    %c7 = arith.constant 7 : i32
    %1 = arith.remsi %in, %c7 : i32
    linalg.yield %1 : i32
  } -> tensor<3xi32>
  %s = arith.divsi %a, %b : i64
  return %0, %s : tensor<3xi32>, i64
}
