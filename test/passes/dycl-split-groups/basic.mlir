// RUN: dycl-opt %s --dycl-split-groups | FileCheck %s

// A group reads its channels of the image. Of a weight that is transposed, the group is taken before that; the bias is
// added behind.
// CHECK-LABEL: func.func @nchw
// CHECK-SAME:    %[[X:.+]]: tensor<2x4x7x9xf32>, %[[W:.+]]: tensor<2x1x3x2x5xf32>, %[[I:.+]]: tensor<2x10x7x7xf32>
func.func @nchw(%x: tensor<2x4x7x9xf32>, %w: tensor<2x1x3x2x5xf32>, %i: tensor<2x10x7x7xf32>) -> tensor<2x10x7x7xf32> {
  // CHECK: %[[X0:.+]] = tensor.extract_slice %[[X]][0, 0, 0, 0] [2, 2, 7, 9] [1, 1, 1, 1]
  // CHECK: %[[W0:.+]] = tensor.extract_slice %[[W]][0, 0, 0, 0, 0] [1, 1, 3, 2, 5] [1, 1, 1, 1, 1] : tensor<2x1x3x2x5xf32> to tensor<1x3x2x5xf32>
  // CHECK: %[[T0:.+]] = linalg.transpose ins(%[[W0]] : {{.*}} permutation = [3, 2, 0, 1]
  // CHECK: %[[R0:.+]] = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%[[X0]], %[[T0]] : tensor<2x2x7x9xf32>, tensor<5x2x1x3xf32>)
  // CHECK: %[[X1:.+]] = tensor.extract_slice %[[X]][0, 2, 0, 0] [2, 2, 7, 9] [1, 1, 1, 1]
  // CHECK: %[[W1:.+]] = tensor.extract_slice %[[W]][1, 0, 0, 0, 0]
  // CHECK: %[[T1:.+]] = linalg.transpose ins(%[[W1]]
  // CHECK: %[[R1:.+]] = linalg.conv_2d_nchw_fchw {{.*}} ins(%[[X1]], %[[T1]]
  // CHECK: %[[C:.+]] = tensor.concat dim(1) %[[R0]], %[[R1]]
  // CHECK: %[[S:.+]] = linalg.generic {{.*}} ins(%[[C]], %[[I]]
  // CHECK: return %[[S]]
  %e = tensor.empty() : tensor<2x5x2x1x3xf32>
  %t = linalg.transpose ins(%w : tensor<2x1x3x2x5xf32>) outs(%e : tensor<2x5x2x1x3xf32>) permutation = [0, 4, 3, 1, 2]
  %xg = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 2, 2, 7, 9] : tensor<2x4x7x9xf32> into tensor<2x2x2x7x9xf32>
  %ig = tensor.expand_shape %i [[0], [1, 2], [3], [4]] output_shape [2, 2, 5, 7, 7] : tensor<2x10x7x7xf32> into tensor<2x2x5x7x7xf32>
  %0 = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%xg, %t : tensor<2x2x2x7x9xf32>, tensor<2x5x2x1x3xf32>) outs(%ig : tensor<2x2x5x7x7xf32>) -> tensor<2x2x5x7x7xf32>
  %1 = tensor.collapse_shape %0 [[0], [1, 2], [3], [4]] : tensor<2x2x5x7x7xf32> into tensor<2x10x7x7xf32>
  return %1 : tensor<2x10x7x7xf32>
}

// Few output channels a group are computed on nchw; sizes may be dynamic. What reads the result with its groups still
// does.
// CHECK-LABEL: func.func @few
// CHECK-SAME:    %[[X:.+]]: tensor<?x?x9x3x4xf32>, %[[W:.+]]: tensor<3x7x2x3x4xf32>
func.func @few(%x: tensor<?x?x9x3x4xf32>, %w: tensor<3x7x2x3x4xf32>, %e: tensor<?x?x4x3x7xf32>) -> tensor<?x?x4x3x7xf32> {
  // CHECK: %[[C:.+]] = tensor.collapse_shape %[[X]] {{\[\[}}0], [1], [2], [3, 4]]
  // CHECK: %[[XT:.+]] = linalg.transpose ins(%[[C]] : tensor<?x?x9x12xf32>) {{.*}} permutation = [0, 3, 1, 2]
  // CHECK: %[[X2:.+]] = tensor.extract_slice %[[XT]][0, 8, 0, 0]
  // CHECK: linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%[[X2]],
  // CHECK: tensor.concat dim(1)
  // CHECK: %[[T:.+]] = linalg.transpose {{.*}} permutation = [0, 2, 3, 1]
  // CHECK-NOT: linalg.generic
  // CHECK: %[[G:.+]] = tensor.expand_shape %[[T]]
  // CHECK: return %[[G]]
  %zero = arith.constant 0.0 : f32
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?x4x3x7xf32>) -> tensor<?x?x4x3x7xf32>
  %0 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
      ins(%x, %w : tensor<?x?x9x3x4xf32>, tensor<3x7x2x3x4xf32>) outs(%i : tensor<?x?x4x3x7xf32>) -> tensor<?x?x4x3x7xf32>
  return %0 : tensor<?x?x4x3x7xf32>
}

// Many stay nhwc; an addition of f64 is one too.
// CHECK-LABEL: func.func @many
func.func @many(%x: tensor<1x7x9x2x4xf64>, %w: tensor<2x17x1x1x4xf64>, %i: tensor<1x7x9x2x17xf64>) -> tensor<1x7x9x2x17xf64> {
  // CHECK: %[[X1:.+]] = tensor.extract_slice %{{.+}}[0, 0, 0, 4] [1, 7, 9, 4] [1, 1, 1, 1]
  // CHECK: linalg.conv_2d_nhwc_hwcf {{.*}} ins(%[[X1]], %{{.+}} : tensor<1x7x9x4xf64>, tensor<1x1x4x17xf64>)
  // CHECK: tensor.concat dim(3)
  // CHECK: arith.addf {{.*}} : f64
  %0 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%x, %w : tensor<1x7x9x2x4xf64>, tensor<2x17x1x1x4xf64>) outs(%i : tensor<1x7x9x2x17xf64>) -> tensor<1x7x9x2x17xf64>
  return %0 : tensor<1x7x9x2x17xf64>
}
