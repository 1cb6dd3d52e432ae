// RUN: dycl-opt %s --dycl-strip-element-asserts | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// An assertion on elements goes, on any path; one of the program stays.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>, %ok: i1) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  // CHECK: cf.assert %{{.+}}, "wrong size"
  cf.assert %ok, "wrong size"
  %0 = scf.if %ok -> (tensor<4xf32>) {
    // CHECK: linalg.generic
    // CHECK: arith.cmpf one
    // CHECK-NOT: cf.assert
    // CHECK: arith.divf
    %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
        ins(%x : tensor<4xf32>) outs(%x : tensor<4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %2 = arith.cmpf one, %in, %zero : f32
      cf.assert %2, "unimplemented: tensor with zero element"
      %3 = arith.divf %one, %in : f32
      linalg.yield %3 : f32
    } -> tensor<4xf32>
    // CHECK: cf.assert %{{.+}}, "on this path only"
    cf.assert %ok, "on this path only"
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
