// RUN: dycl-opt %s --split-input-file --dycl-winograd-convolutions='vector-bits=512 registers=32' | FileCheck %s

#id = affine_map<(n, h, w, c) -> (n, h, w, c)>

// Tiles of 4x4: 16 of a plane of 16x16. The second dispatch has the bias, the residual and the activation, and stores
// the border of zeros that the next convolution reads; that one reads the first's result as it is.
// CHECK-LABEL: module @block
module @block {
  // CHECK-DAG: parameter.named<"model"::"first@winograd(4)@blocks(32)"> : tensor<2x36x64x32xf32>, sym_name = "[[W1:.+]]", sym_visibility
  // CHECK-DAG: parameter.named<"model"::"second@winograd(4)@blocks(32)"> : tensor<2x36x64x32xf32>, sym_name = "[[W2:.+]]", sym_visibility
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"first"> : tensor<3x3x64x64xf32>, sym_name = "w1", sym_visibility = "private", type = tensor<3x3x64x64xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"second"> : tensor<3x3x64x64xf32>, sym_name = "w2", sym_visibility = "private", type = tensor<3x3x64x64xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<1x18x18x64xf32>, %[[RES:.+]]: tensor<1x16x16x64xf32>, %[[B:.+]]: tensor<64xf32>)
  func.func @region_0(%x: tensor<1x18x18x64xf32>, %residual: tensor<1x16x16x64xf32>, %b: tensor<64xf32>) -> tensor<1x16x16x64xf32> {
    %zero = arith.constant 0.0 : f32
    %w1 = "util.global.load"() <{global = @w1}> : () -> tensor<3x3x64x64xf32>
    %w2 = "util.global.load"() <{global = @w2}> : () -> tensor<3x3x64x64xf32>
    %e = tensor.empty() : tensor<1x16x16x64xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    %bias = linalg.broadcast ins(%b : tensor<64xf32>) outs(%e : tensor<1x16x16x64xf32>) dimensions = [0, 1, 2]
    // CHECK: %[[V:.+]] = "flow.dispatch.workgroups"(%c4, %c1{{[_0-9]*}}, %c1{{[_0-9]*}}, %[[X]])
    // CHECK:   "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 1, 6, 18, 64>{{.*}} -> tensor<6x18x64xf32>
    // CHECK:   scf.for
    // CHECK:   scf.for
    // CHECK-COUNT-36: vector.transfer_read {{.*}} vector<16xf32>
    // CHECK-COUNT-36: vector.transfer_write
    // CHECK:   "iree_tensor_ext.dispatch.tensor.store"({{.*}}static_sizes = array<i64: 36, 4, 64>
    // CHECK: -> tensor<36x17x64xf32>
    // CHECK: %[[P:.+]] = "flow.dispatch.workgroups"(%c2, %c1{{[_0-9]*}}, %c1{{[_0-9]*}}, %[[V]], %{{.+}}, %[[B]], %[[RES]])
    // CHECK:   "iree_tensor_ext.dispatch.tensor.load"({{.*}} -> tensor<36x16x64xf32>
    // CHECK:   "iree_tensor_ext.dispatch.tensor.load"({{.*}} -> tensor<36x64x32xf32>
    // Eight tiles of two vectors have their sums in registers.
    // CHECK:   -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
    // CHECK:   vector.fma
    // CHECK:   arith.subf {{.*}} : vector<16xf32>
    // CHECK:   arith.maximumf {{.*}} : vector<16xf32>
    // CHECK-COUNT-5: "iree_tensor_ext.dispatch.tensor.store"
    // CHECK-NOT: "iree_tensor_ext.dispatch.tensor.store"
    // CHECK: -> tensor<1x18x18x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w1 : tensor<1x18x18x64xf32>, tensor<3x3x64x64xf32>) outs(%bias : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
        ins(%residual, %0 : tensor<1x16x16x64xf32>, tensor<1x16x16x64xf32>) outs(%e : tensor<1x16x16x64xf32>) {
    ^bb0(%r: f32, %in: f32, %out: f32):
      %2 = arith.subf %in, %r : f32
      %3 = arith.maximumf %2, %zero : f32
      linalg.yield %3 : f32
    } -> tensor<1x16x16x64xf32>
    %p = tensor.pad %1 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
    } : tensor<1x16x16x64xf32> to tensor<1x18x18x64xf32>
    // CHECK: "flow.dispatch.workgroups"({{.*}}, %[[P]])
    // CHECK: "flow.dispatch.workgroups"(
    %4 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%p, %w2 : tensor<1x18x18x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %4 : tensor<1x16x16x64xf32>
  }
}

// -----

// Tiles of 2x2 where transformed weights would be large: 49 of a plane of 13x13, the last of a row shifted back, as the
// last block of channels is, and the last vector of 250 input channels.
// CHECK-DAG: affine_map<(d0) -> (d0 * 2, 11)>
// CHECK-DAG: affine_map<(d0) -> (d0 * 16, 234)>
// CHECK-DAG: affine_map<(d0) -> (d0 * 32, 216)>
// CHECK-LABEL: module @uneven
module @uneven {
  // CHECK: parameter.named<"model"::"w@winograd(2)@blocks(32)"> : tensor<8x16x250x32xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x250x248xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x250x248xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x15x15x250xf32>) -> tensor<1x13x13x248xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x250x248xf32>
    %e = tensor.empty() : tensor<1x13x13x248xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x13x13x248xf32>) -> tensor<1x13x13x248xf32>
    // CHECK: "flow.dispatch.workgroups"(%c7, %c1{{[_0-9]*}}, %c1{{[_0-9]*}}, %{{.+}})
    // CHECK: -> tensor<16x49x250xf32>
    // CHECK: "flow.dispatch.workgroups"(%c8, %c1{{[_0-9]*}}, %c1{{[_0-9]*}}, %{{.+}})
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x15x15x250xf32>, tensor<3x3x250x248xf32>) outs(%init : tensor<1x13x13x248xf32>) -> tensor<1x13x13x248xf32>
    return %0 : tensor<1x13x13x248xf32>
  }
}

// -----

// The border of the region's argument, of other widths on each side, is not copied: what is outside of it is read as
// zeros. Columns have no border before them.
// CHECK-DAG: #[[$FIRST:.+]] = affine_map<(d0) -> (d0 - 1)>
// CHECK-LABEL: module @argument
module @argument {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x64x64xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x64x64xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<1x15x16x64xf32>
  func.func @region_0(%x: tensor<1x15x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x64x64xf32>
    %e = tensor.empty() : tensor<1x16x16x64xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    // CHECK-NOT: tensor.pad
    %p = tensor.pad %x low[0, 1, 0, 0] high[0, 2, 2, 0] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
    } : tensor<1x15x16x64xf32> to tensor<1x18x18x64xf32>
    // CHECK: "flow.dispatch.workgroups"(%c4, %c1{{[_0-9]*}}, %c1{{[_0-9]*}}, %[[X]])
    // CHECK: %[[PIXELS:.+]] = "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 1, 15, 16, 64>{{.*}} -> tensor<15x16x64xf32>
    // CHECK: %[[Y:.+]] = affine.apply #[[$FIRST]](%{{.+}})
    // CHECK: %[[ISROW:.+]] = arith.cmpi ult, %[[Y]], %c15
    // CHECK: %[[ROW:.+]] = arith.select %[[ISROW]], %[[Y]], %c0
    // CHECK: %[[ISCOLUMN:.+]] = arith.cmpi ult, %[[COLUMN:.+]], %c16
    // CHECK: arith.select %[[ISCOLUMN]], %[[COLUMN]], %c0
    // CHECK: %[[READ:.+]] = vector.transfer_read %[[PIXELS]][%[[ROW]],
    // CHECK: %[[IS:.+]] = arith.andi %[[ISROW]], %[[ISCOLUMN]]
    // CHECK: arith.select %[[IS]], %[[READ]], %{{.+}} : vector<16xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%p, %w : tensor<1x18x18x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
}

// -----

// Left as they are: strides and dilations of 2, other kernels, few channels, f64, f16, a weight that is no parameter, few
// pixels, weights that would take too much.
// CHECK-LABEL: module @others
// CHECK-NOT: flow.dispatch.workgroups
// CHECK-NOT: winograd
module @others {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x64x64xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x64x64xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"few"> : tensor<3x3x8x64xf32>, sym_name = "few", sym_visibility = "private", type = tensor<3x3x8x64xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"five"> : tensor<5x5x64x64xf32>, sym_name = "five", sym_visibility = "private", type = tensor<5x5x64x64xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"wide"> : tensor<3x3x64x64xf64>, sym_name = "wide", sym_visibility = "private", type = tensor<3x3x64x64xf64>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"half"> : tensor<3x3x64x64xf16>, sym_name = "half", sym_visibility = "private", type = tensor<3x3x64x64xf16>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"large"> : tensor<3x3x1024x1024xf32>, sym_name = "large", sym_visibility = "private", type = tensor<3x3x1024x1024xf32>}> : () -> ()
  func.func @strided(%x: tensor<1x33x33x64xf32>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
        ins(%x, %w : tensor<1x33x33x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @dilated(%x: tensor<1x20x20x64xf32>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<2> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x20x20x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @kernel(%x: tensor<1x20x20x64xf32>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %w = "util.global.load"() <{global = @five}> : () -> tensor<5x5x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x20x20x64xf32>, tensor<5x5x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @channels(%x: tensor<1x18x18x8xf32>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %w = "util.global.load"() <{global = @few}> : () -> tensor<3x3x8x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x18x18x8xf32>, tensor<3x3x8x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @f64(%x: tensor<1x18x18x64xf64>, %init: tensor<1x16x16x64xf64>) -> tensor<1x16x16x64xf64> {
    %w = "util.global.load"() <{global = @wide}> : () -> tensor<3x3x64x64xf64>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x18x18x64xf64>, tensor<3x3x64x64xf64>) outs(%init : tensor<1x16x16x64xf64>) -> tensor<1x16x16x64xf64>
    return %0 : tensor<1x16x16x64xf64>
  }
  func.func @f16(%x: tensor<1x18x18x64xf16>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %w = "util.global.load"() <{global = @half}> : () -> tensor<3x3x64x64xf16>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x18x18x64xf16>, tensor<3x3x64x64xf16>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @given(%x: tensor<1x18x18x64xf32>, %w: tensor<3x3x64x64xf32>, %init: tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32> {
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x18x18x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x16x16x64xf32>) -> tensor<1x16x16x64xf32>
    return %0 : tensor<1x16x16x64xf32>
  }
  func.func @pixels(%x: tensor<1x3x18x64xf32>, %init: tensor<1x1x16x64xf32>) -> tensor<1x1x16x64xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x3x18x64xf32>, tensor<3x3x64x64xf32>) outs(%init : tensor<1x1x16x64xf32>) -> tensor<1x1x16x64xf32>
    return %0 : tensor<1x1x16x64xf32>
  }
  func.func @bytes(%x: tensor<1x34x34x1024xf32>, %init: tensor<1x32x32x1024xf32>) -> tensor<1x32x32x1024xf32> {
    %w = "util.global.load"() <{global = @large}> : () -> tensor<3x3x1024x1024xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x34x34x1024xf32>, tensor<3x3x1024x1024xf32>) outs(%init : tensor<1x32x32x1024xf32>) -> tensor<1x32x32x1024xf32>
    return %0 : tensor<1x32x32x1024xf32>
  }
}
