// RUN: dycl-opt %s --dycl-annotate-cost | FileCheck %s

#map = affine_map<(d0) -> (d0)>

dycl.program @main(%x: tensor<2x3xf32>, %i: tensor<1x2x6x6xf32>, %d: tensor<?xf32>) {
  %0 = dycl.invoke @matmul(%x) : (tensor<2x3xf32>) -> tensor<2x5xf32>
  %1:2 = dycl.invoke @conv(%i) : (tensor<1x2x6x6xf32>) -> (tensor<1x4x4x4xf32>, i1)
  %2 = dycl.invoke @generic(%d) : (tensor<?xf32>) -> tensor<?xf32>
  dycl.return
}

// 2*3*5 multiply-accumulates; (6 + 10 + 15) elements of 4 bytes.
// CHECK: func.func private @matmul{{.*}} attributes {dycl.cost = #dycl.cost<flops = 60, bytes = 124>}
func.func private @matmul(%x: tensor<2x3xf32>) -> tensor<2x5xf32> {
  %w = dycl.parameter "w" : tensor<3x5xf32>
  %again = dycl.parameter "w" : tensor<3x5xf32>
  %0 = tensor.empty() : tensor<2x5xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<2x3xf32>, tensor<3x5xf32>) outs(%0 : tensor<2x5xf32>) -> tensor<2x5xf32>
  return %1 : tensor<2x5xf32>
}

// 4*4*4 outputs of 2*3*3 multiply-accumulates; 72 + 64 + 72 elements of 4 bytes and one predicate.
// CHECK: func.func private @conv{{.*}} attributes {dycl.cost = #dycl.cost<flops = 2304, bytes = 833>}
func.func private @conv(%i: tensor<1x2x6x6xf32>) -> (tensor<1x4x4x4xf32>, i1) {
  %true = arith.constant true
  %w = dycl.parameter "conv.weight" : tensor<4x2x3x3xf32>
  %0 = tensor.empty() : tensor<1x4x4x4xf32>
  %1 = linalg.conv_2d_nchw_fchw ins(%i, %w : tensor<1x2x6x6xf32>, tensor<4x2x3x3xf32>)
      outs(%0 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  return %1, %true : tensor<1x4x4x4xf32>, i1
}

// Two operations an element, the conversion counting nothing; a dynamic size counts as one.
// CHECK: func.func private @generic{{.*}} attributes {dycl.cost = #dycl.cost<flops = 2, bytes = 8>}
func.func private @generic(%d: tensor<?xf32>) -> tensor<?xf32> {
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%d : tensor<?xf32>) outs(%d : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = math.exp %in : f32
    %2 = arith.extf %1 : f32 to f64
    %3 = arith.truncf %2 : f64 to f32
    %4 = arith.addf %3, %in : f32
    linalg.yield %4 : f32
  } -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// What is no region has no cost.
// CHECK: func.func private @unused() {
func.func private @unused() {
  return
}
