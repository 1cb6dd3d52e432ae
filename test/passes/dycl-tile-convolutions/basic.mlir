// RUN: dycl-opt %s --split-input-file --dycl-tile-convolutions='vector-bits=512 registers=32' | FileCheck %s

#id = affine_map<(n, h, w, c) -> (n, h, w, c)>
#map = affine_map<(n, h, w, c) -> (c)>

// Two blocks of 32 channels. The bias, the residual and the activation are computed in the dispatch; the result is
// stored within the border that the next convolution reads, and what needs no border reads within it.
// CHECK-LABEL: module @block
module @block {
  // CHECK: "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight@blocks(32)"> : tensor<2x3x3x8x32xf32>, sym_name = "[[PACKED:.+]]", sym_visibility
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight"> : tensor<3x3x8x64xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x8x64xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<1x8x18x8xf32>, %[[RES:.+]]: tensor<1x6x16x64xf32>, %[[B:.+]]: tensor<64xf32>)
  func.func @region_0(%x: tensor<1x8x18x8xf32>, %residual: tensor<1x6x16x64xf32>, %b: tensor<64xf32>)
      -> (tensor<1x8x18x64xf32>, tensor<1x6x16x64xf32>) {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x8x64xf32>
    %e = tensor.empty() : tensor<1x6x16x64xf32>
    %bias = linalg.broadcast ins(%b : tensor<64xf32>) outs(%e : tensor<1x6x16x64xf32>) dimensions = [0, 1, 2]
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x8x18x8xf32>, tensor<3x3x8x64xf32>) outs(%bias : tensor<1x6x16x64xf32>) -> tensor<1x6x16x64xf32>
    %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
        ins(%residual, %0 : tensor<1x6x16x64xf32>, tensor<1x6x16x64xf32>) outs(%e : tensor<1x6x16x64xf32>) {
    ^bb0(%r: f32, %in: f32, %out: f32):
      %2 = arith.subf %in, %r : f32
      %3 = arith.maximumf %2, %zero : f32
      linalg.yield %3 : f32
    } -> tensor<1x6x16x64xf32>
    // CHECK: %[[W:.+]] = "util.global.load"() <{global = @[[PACKED]]}> : () -> tensor<2x3x3x8x32xf32>
    // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c2, %c1, %c1{{.*}}, %[[X]], %[[W]], %[[B]], %[[RES]]) <{operandSegmentSizes = array<i32: 3, 4, 0, 0>
    // CHECK-NEXT: ^bb0(%[[XA:[^:]+]]: !iree_tensor_ext.dispatch.tensor<readonly:tensor<1x8x18x8xf32>>, %[[WA:[^:]+]]: {{[^,]+}}, %[[BA:[^:]+]]: {{[^,]+}}, %[[RA:[^:]+]]: {{[^,]+}}, %[[OA:[^:]+]]: !iree_tensor_ext.dispatch.tensor<writeonly:tensor<1x8x18x64xf32>>):
    // CHECK:   %[[ID:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 0 : index}>
    // CHECK:   %[[F:.+]] = affine.apply #{{.+}}(%[[ID]])
    // CHECK:   %[[XP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[XA]])
    // CHECK:   %[[WP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[WA]], %{{.+}}) {{.*}} -> tensor<3x3x8x32xf32>
    // CHECK:   %[[C:.+]] = linalg.conv_2d_nhwc_hwcf {compilation_info = #iree_codegen.compilation_info<lowering_config = #iree_cpu.lowering_config<distribution = [0, 0, 0, 0, 0, 0, 0], vector_common_parallel = [1, 1, 8, 32, 0, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1, 4]>, translation_info = #iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<ConvTileAndDecomposeExpert>>>
    // CHECK-SAME: ins(%[[XP]], %[[WP]]
    // CHECK:   %[[BP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[BA]], %[[F]]) {{.*}} -> tensor<32xf32>
    // CHECK:   %[[S:.+]] = linalg.generic {{.*}} ins(%[[C]], %[[BP]]
    // CHECK:     arith.addf
    // CHECK:   %[[RP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[RA]], %[[F]]) {{.*}} -> tensor<1x6x16x32xf32>
    // CHECK:   %[[T:.+]] = linalg.generic {{.*}} ins(%[[RP]], %[[S]]
    // CHECK:     arith.subf
    // CHECK-COUNT-4: "iree_tensor_ext.dispatch.tensor.store"(%{{.+}}, %[[OA]]
    // CHECK:   "iree_tensor_ext.dispatch.tensor.store"(%[[T]], %[[OA]], %[[F]]) <{{.*}}static_offsets = array<i64: 0, 1, 1, -9223372036854775808>, static_sizes = array<i64: 1, 6, 16, 32>
    // CHECK: %[[IN:.+]] = tensor.extract_slice %[[R]][0, 1, 1, 0] [1, 6, 16, 64] [1, 1, 1, 1]
    // CHECK: return %[[R]], %[[IN]]
    %p = tensor.pad %1 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
    } : tensor<1x6x16x64xf32> to tensor<1x8x18x64xf32>
    return %p, %1 : tensor<1x8x18x64xf32>, tensor<1x6x16x64xf32>
  }
}

// -----

// 17 pixels are two tiles of 9, 23 channels two blocks of 16: the second of each is shifted back. A weight of a group is
// a part of the parameter.
// CHECK: #[[$BLOCK:.+]] = affine_map<(d0) -> (d0 * 16, 7)>
// CHECK: #[[$STRIP:.+]] = affine_map<(d0) -> (d0 * 9, 8)>
// CHECK: #[[$STRIDE:.+]] = affine_map<()[s0] -> (s0 * 2)>
// CHECK-LABEL: module @uneven
module @uneven {
  // CHECK: parameter.named<"model"::"conv.weight@select(2)@reshape(1,2,23,5)@transpose(0,1,3,2)@blocks(16)"> : tensor<2x1x2x5x16xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight"> : tensor<4x1x2x23x5xf32>, sym_name = "w", sym_visibility = "private", type = tensor<4x1x2x23x5xf32>}> : () -> ()
  func.func @region_0(%x: tensor<3x4x34x5xf32>) -> tensor<3x4x17x23xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<4x1x2x23x5xf32>
    %g = tensor.extract_slice %w[2, 0, 0, 0, 0] [1, 1, 2, 23, 5] [1, 1, 1, 1, 1] : tensor<4x1x2x23x5xf32> to tensor<1x2x23x5xf32>
    %et = tensor.empty() : tensor<1x2x5x23xf32>
    %t = linalg.transpose ins(%g : tensor<1x2x23x5xf32>) outs(%et : tensor<1x2x5x23xf32>) permutation = [0, 1, 3, 2]
    %e = tensor.empty() : tensor<3x4x17x23xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<3x4x17x23xf32>) -> tensor<3x4x17x23xf32>
    // CHECK: "flow.dispatch.workgroups"(%c2, %c1, %c2{{.*}},
    // CHECK: %[[BLOCK:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 0 : index}>
    // CHECK: %[[F:.+]] = affine.min #[[$BLOCK]](%[[BLOCK]])
    // CHECK: %[[STRIP:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 2 : index}>
    // CHECK: %[[COLUMN:.+]] = affine.min #[[$STRIP]](%[[STRIP]])
    // CHECK: "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 3, 4, 18, 5>
    // CHECK: vector_common_parallel = [1, 1, 9, 16, 0, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1, 1]
    // CHECK: "iree_tensor_ext.dispatch.tensor.store"(%{{.+}}, %{{.+}}, %[[COLUMN]], %[[F]]) <{{.*}}static_sizes = array<i64: 3, 4, 9, 16>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<[1, 2]> : vector<2xi64>}
        ins(%x, %t : tensor<3x4x34x5xf32>, tensor<1x2x5x23xf32>) outs(%init : tensor<3x4x17x23xf32>) -> tensor<3x4x17x23xf32>
    return %0 : tensor<3x4x17x23xf32>
  }
}

// -----

// Zeros fill a block of fewer channels than a vector has numbers: all of it is computed, of one image of the batch and
// some rows a workgroup, and the channels that there are go through the epilogue.
// CHECK-LABEL: module @narrow
module @narrow {
  // CHECK: parameter.named<"model"::"conv.weight@blocks(8)"> : tensor<1x5x5x1x8xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight"> : tensor<5x5x1x5xf32>, sym_name = "w", sym_visibility = "private", type = tensor<5x5x1x5xf32>}> : () -> ()
  func.func @region_0(%x: tensor<2x44x34x1xf32>, %b: tensor<5xf32>) -> tensor<2x40x30x5xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<5x5x1x5xf32>
    %e = tensor.empty() : tensor<2x40x30x5xf32>
    %bias = linalg.broadcast ins(%b : tensor<5xf32>) outs(%e : tensor<2x40x30x5xf32>) dimensions = [0, 1, 2]
    // CHECK: "flow.dispatch.workgroups"(%c2, %c3, %c1{{.*}},
    // CHECK: %[[IMAGE:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 0 : index}>
    // CHECK: %[[N:.+]] = affine.apply #{{.+}}(%[[IMAGE]])
    // CHECK: "iree_tensor_ext.dispatch.tensor.load"(%{{.+}}, %[[N]], %{{.+}}) <{{.*}}static_sizes = array<i64: 1, 18, 34, 1>
    // CHECK: %[[C:.+]] = linalg.conv_2d_nhwc_hwcf {{.*}}vector_common_parallel = [1, 1, 10, 8, 0, 0, 0]{{.*}} -> tensor<1x14x30x8xf32>
    // CHECK: %[[P:.+]] = tensor.extract_slice %[[C]][0, 0, 0, 0] [1, 14, 30, 5] [1, 1, 1, 1]
    // CHECK: %[[S:.+]] = linalg.generic {{.*}} ins(%[[P]], %{{.+}} : tensor<1x14x30x5xf32>, tensor<5xf32>)
    // CHECK: "iree_tensor_ext.dispatch.tensor.store"(%[[S]], %{{.+}}, %[[N]], %{{.+}}) <{{.*}}static_sizes = array<i64: 1, 14, 30, 5>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<2x44x34x1xf32>, tensor<5x5x1x5xf32>) outs(%bias : tensor<2x40x30x5xf32>) -> tensor<2x40x30x5xf32>
    return %0 : tensor<2x40x30x5xf32>
  }
}

// -----

// Eight channels fill a block: nothing is kept but what is stored. A row that is too long to be kept is in strips.
// CHECK-LABEL: module @narrow_sizes
module @narrow_sizes {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"eight"> : tensor<1x1x4x8xf32>, sym_name = "eight", sym_visibility = "private", type = tensor<1x1x4x8xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"three"> : tensor<1x1x4x3xf32>, sym_name = "three", sym_visibility = "private", type = tensor<1x1x4x3xf32>}> : () -> ()
  func.func @region_0(%x: tensor<2x5x6x4xf32>, %long: tensor<1x2x1400x4xf32>, %i0: tensor<2x5x6x8xf32>, %i1: tensor<1x2x1400x3xf32>)
      -> (tensor<2x5x6x8xf32>, tensor<1x2x1400x3xf32>) {
    %eight = "util.global.load"() <{global = @eight}> : () -> tensor<1x1x4x8xf32>
    %three = "util.global.load"() <{global = @three}> : () -> tensor<1x1x4x3xf32>
    // CHECK: "flow.dispatch.workgroups"(%c1, %c1{{[^,]*}}, %c1{{[^,]*}},
    // CHECK: linalg.conv_2d_nhwc_hwcf {{.*}} -> tensor<2x5x6x8xf32>
    // CHECK-NOT: tensor.extract_slice
    // CHECK: "flow.dispatch.workgroups"(%c1{{[^,]*}}, %c1{{[^,]*}}, %c100,
    // CHECK: linalg.conv_2d_nhwc_hwcf {{.*}} -> tensor<1x2x14x4xf32>
    // CHECK: tensor.extract_slice
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %eight : tensor<2x5x6x4xf32>, tensor<1x1x4x8xf32>) outs(%i0 : tensor<2x5x6x8xf32>) -> tensor<2x5x6x8xf32>
    %1 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%long, %three : tensor<1x2x1400x4xf32>, tensor<1x1x4x3xf32>) outs(%i1 : tensor<1x2x1400x3xf32>) -> tensor<1x2x1400x3xf32>
    return %0, %1 : tensor<2x5x6x8xf32>, tensor<1x2x1400x3xf32>
  }
}

// -----

// Of a depthwise convolution a workgroup reads the channels of its block only.
// CHECK-LABEL: module @depthwise
module @depthwise {
  // CHECK: parameter.named<"model"::"dw.weight@blocks(32)"> : tensor<2x3x3x32xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"dw.weight"> : tensor<3x3x64xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x64xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x9x9x64xf32>) -> tensor<1x7x7x64xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x64xf32>
    %e = tensor.empty() : tensor<1x7x7x64xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<1x7x7x64xf32>) -> tensor<1x7x7x64xf32>
    // CHECK: "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_offsets = array<i64: 0, 0, 0, -9223372036854775808>, static_sizes = array<i64: 1, 9, 9, 32>
    // CHECK: linalg.depthwise_conv_2d_nhwc_hwc {compilation_info = {{.*}}vector_common_parallel = [1, 1, 7, 32, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1]
    %0 = linalg.depthwise_conv_2d_nhwc_hwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x9x9x64xf32>, tensor<3x3x64xf32>) outs(%init : tensor<1x7x7x64xf32>) -> tensor<1x7x7x64xf32>
    return %0 : tensor<1x7x7x64xf32>
  }
}

// -----

// Left as they are: a weight that is no parameter, a depthwise convolution of fewer channels than a vector has numbers, f64,
// dynamic sizes.
// CHECK-LABEL: module @others
// CHECK-NOT: flow.dispatch.workgroups
module @others {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"few"> : tensor<1x1x4xf32>, sym_name = "few", sym_visibility = "private", type = tensor<1x1x4xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"wide"> : tensor<1x1x4x16xf64>, sym_name = "wide", sym_visibility = "private", type = tensor<1x1x4x16xf64>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<1x1x4x16xf32>, sym_name = "w", sym_visibility = "private", type = tensor<1x1x4x16xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x5x5x4xf32>, %given: tensor<1x1x4x16xf32>, %d: tensor<1x5x5x4xf64>, %n: tensor<?x5x5x4xf32>,
      %i0: tensor<1x5x5x16xf32>, %i1: tensor<1x5x5x4xf32>, %i2: tensor<1x5x5x16xf64>, %i3: tensor<?x5x5x16xf32>)
      -> (tensor<1x5x5x16xf32>, tensor<1x5x5x4xf32>, tensor<1x5x5x16xf64>, tensor<?x5x5x16xf32>) {
    %few = "util.global.load"() <{global = @few}> : () -> tensor<1x1x4xf32>
    %wide = "util.global.load"() <{global = @wide}> : () -> tensor<1x1x4x16xf64>
    %w = "util.global.load"() <{global = @w}> : () -> tensor<1x1x4x16xf32>
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %given : tensor<1x5x5x4xf32>, tensor<1x1x4x16xf32>) outs(%i0 : tensor<1x5x5x16xf32>) -> tensor<1x5x5x16xf32>
    %1 = linalg.depthwise_conv_2d_nhwc_hwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %few : tensor<1x5x5x4xf32>, tensor<1x1x4xf32>) outs(%i1 : tensor<1x5x5x4xf32>) -> tensor<1x5x5x4xf32>
    %2 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%d, %wide : tensor<1x5x5x4xf64>, tensor<1x1x4x16xf64>) outs(%i2 : tensor<1x5x5x16xf64>) -> tensor<1x5x5x16xf64>
    %3 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%n, %w : tensor<?x5x5x4xf32>, tensor<1x1x4x16xf32>) outs(%i3 : tensor<?x5x5x16xf32>) -> tensor<?x5x5x16xf32>
    return %0, %1, %2, %3 : tensor<1x5x5x16xf32>, tensor<1x5x5x4xf32>, tensor<1x5x5x16xf64>, tensor<?x5x5x16xf32>
  }
}
