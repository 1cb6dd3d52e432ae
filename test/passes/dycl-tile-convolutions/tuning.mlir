// RUN: dycl-opt %s --dycl-tile-convolutions='vector-bits=256 registers=16 tuning=conv-1x10x10x8-3x3x8x32-s1x1-d1x1:block=8:tile=4:rows=4:unroll=8,conv-9x9x9x9-1x1x9x9-s1x1-d1x1:block=8' | FileCheck %s --check-prefixes=CHECK,TUNED
// RUN: dycl-opt %s --dycl-tile-convolutions='vector-bits=256 registers=16' | FileCheck %s --check-prefixes=CHECK,RULES
// RUN: dycl-opt %s --dycl-tile-convolutions='vector-bits=256 registers=16 list-choices=true tuning=conv-1x10x10x8-3x3x8x32-s1x1-d1x1:block=8' | FileCheck %s --check-prefixes=CHECK,LISTED

// What a tuning chooses for an operation, known by its sizes; the depthwise convolution is not in it. The list has what
// is chosen first, and of the tile what suits the block that was chosen.
// CHECK-LABEL: module @net
module @net {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x8x32xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x8x32xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"dw"> : tensor<3x3x32xf32>, sym_name = "dw", sym_visibility = "private", type = tensor<3x3x32xf32>}> : () -> ()
  // LISTED: attributes {tile_choices = ["conv-1x10x10x8-3x3x8x32-s1x1-d1x1:block=8|16|32:tile=8|4:rows=8|4|2:unroll=4|1|2|8",
  // LISTED-SAME: "depthwise-1x8x8x32-3x3x32-s1x1-d1x1:block=16|8|32:tile=6|3:rows=6|3|2"]}
  func.func @region_0(%x: tensor<1x10x10x8xf32>) -> tensor<1x6x6x32xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x8x32xf32>
    %dw = "util.global.load"() <{global = @dw}> : () -> tensor<3x3x32xf32>
    %e0 = tensor.empty() : tensor<1x8x8x32xf32>
    %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
    // TUNED: "flow.dispatch.workgroups"(%c4, %c2, %c1{{.*}},
    // TUNED: vector_common_parallel = [1, 1, 4, 8, 0, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1, 8]
    // RULES: "flow.dispatch.workgroups"(%c2, %c1, %c1{{.*}},
    // RULES: vector_common_parallel = [1, 1, 4, 16, 0, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1, 4]
    // LISTED: vector_common_parallel = [1, 1, 8, 8, 0, 0, 0], vector_reduction = [0, 0, 0, 0, 1, 1, 4]
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x10x10x8xf32>, tensor<3x3x8x32xf32>) outs(%i0 : tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
    %e1 = tensor.empty() : tensor<1x6x6x32xf32>
    %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<1x6x6x32xf32>) -> tensor<1x6x6x32xf32>
    // CHECK: linalg.depthwise_conv_2d_nhwc_hwc {{.*}}vector_common_parallel = [1, 1, 6, 16, 0, 0]
    %1 = linalg.depthwise_conv_2d_nhwc_hwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%0, %dw : tensor<1x8x8x32xf32>, tensor<3x3x32xf32>) outs(%i1 : tensor<1x6x6x32xf32>) -> tensor<1x6x6x32xf32>
    return %1 : tensor<1x6x6x32xf32>
  }
}
