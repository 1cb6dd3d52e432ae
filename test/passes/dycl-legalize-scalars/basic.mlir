// RUN: dycl-opt %s --dycl-legalize-scalars | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// A scalar loses its fraction before it becomes an integer; the elements of a tensor are converted as they were.
// CHECK-LABEL: func.func private @region_0
// CHECK-SAME: (%[[X:.+]]: f32, %[[T:.+]]: tensor<4xf32>)
func.func private @region_0(%x: f32, %t: tensor<4xf32>) -> (i64, tensor<4xi64>, f32) {
  // CHECK: %[[ZERO:.+]] = arith.constant 0.000000e+00 : f32
  // CHECK: %[[NEGATIVE:.+]] = arith.cmpf olt, %[[X]], %[[ZERO]]
  // CHECK: %[[CEIL:.+]] = math.ceil %[[X]]
  // CHECK: %[[FLOOR:.+]] = math.floor %[[X]]
  // CHECK: %[[TRUNC:.+]] = arith.select %[[NEGATIVE]], %[[CEIL]], %[[FLOOR]]
  // CHECK: %[[INT:.+]] = arith.fptosi %[[TRUNC]] : f32 to i64
  %0 = arith.fptosi %x : f32 to i64
  %1 = tensor.empty() : tensor<4xi64>
  // CHECK: linalg.generic
  // CHECK-NEXT: ^bb0(%[[IN:.+]]: f32, %{{.+}}: i64):
  // CHECK-NEXT: arith.fptosi %[[IN]]
  %2 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%t : tensor<4xf32>) outs(%1 : tensor<4xi64>) {
  ^bb0(%in: f32, %out: i64):
    %4 = arith.fptosi %in : f32 to i64
    linalg.yield %4 : i64
  } -> tensor<4xi64>
  // CHECK-NOT: math.trunc
  // CHECK: %[[LAST:.+]] = arith.select
  // CHECK: return %[[INT]], %{{.+}}, %[[LAST]]
  %3 = math.trunc %x : f32
  return %0, %2, %3 : i64, tensor<4xi64>, f32
}
