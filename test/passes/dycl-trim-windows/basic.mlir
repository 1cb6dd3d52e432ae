// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-trim-windows))' -split-input-file | FileCheck %s

// One window of two rows in three, over columns of any number.
// CHECK-LABEL: func.func @pool
// CHECK-SAME: %[[X:.+]]: tensor<1x4x3x?xf32>
// CHECK: %[[SLICE:.+]] = tensor.extract_slice %[[X]][0, 0, 0, 0] [1, 4, 2, %{{.+}}] [1, 1, 1, 1] : tensor<1x4x3x?xf32> to tensor<1x4x2x?xf32>
// CHECK: linalg.pooling_nchw_sum
// CHECK-SAME: ins(%[[SLICE]], %{{.+}} : tensor<1x4x2x?xf32>, tensor<2x2xf32>)
func.func @pool(%x: tensor<1x4x3x?xf32>, %w: tensor<2x2xf32>, %out: tensor<1x4x1x?xf32>) -> tensor<1x4x1x?xf32> {
  %0 = linalg.pooling_nchw_sum {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
         ins(%x, %w : tensor<1x4x3x?xf32>, tensor<2x2xf32>) outs(%out : tensor<1x4x1x?xf32>) -> tensor<1x4x1x?xf32>
  return %0 : tensor<1x4x1x?xf32>
}

// -----

// A dilated kernel reaches three rows and three columns.
// CHECK-LABEL: func.func @convolution
// CHECK: tensor.extract_slice %{{.+}}[0, 0, 0, 0] [2, 3, 3, 5] [1, 1, 1, 1] : tensor<2x4x6x5xf32> to tensor<2x3x3x5xf32>
// CHECK: linalg.conv_2d_nhwc_hwcf
// CHECK-SAME: tensor<2x3x3x5xf32>
func.func @convolution(%x: tensor<2x4x6x5xf32>, %w: tensor<2x2x5x7xf32>, %out: tensor<2x1x1x7xf32>) -> tensor<2x1x1x7xf32> {
  %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<2> : vector<2xi64>, strides = dense<4> : vector<2xi64>}
         ins(%x, %w : tensor<2x4x6x5xf32>, tensor<2x2x5x7xf32>) outs(%out : tensor<2x1x1x7xf32>) -> tensor<2x1x1x7xf32>
  return %0 : tensor<2x1x1x7xf32>
}

// -----

// Two windows along the columns, and one that reaches all rows; a product is no window.
// CHECK-LABEL: func.func @nothing
// CHECK-NOT: tensor.extract_slice
func.func @nothing(%x: tensor<1x4x2x5xf32>, %w: tensor<2x2xf32>, %out: tensor<1x4x1x2xf32>,
                   %a: tensor<1x3xf32>, %b: tensor<3x4xf32>, %c: tensor<1x4xf32>) -> (tensor<1x4x1x2xf32>, tensor<1x4xf32>) {
  %0 = linalg.pooling_nchw_sum {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
         ins(%x, %w : tensor<1x4x2x5xf32>, tensor<2x2xf32>) outs(%out : tensor<1x4x1x2xf32>) -> tensor<1x4x1x2xf32>
  %1 = linalg.matmul ins(%a, %b : tensor<1x3xf32>, tensor<3x4xf32>) outs(%c : tensor<1x4xf32>) -> tensor<1x4xf32>
  return %0, %1 : tensor<1x4x1x2xf32>, tensor<1x4xf32>
}
