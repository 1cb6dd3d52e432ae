// RUN: dycl-opt %s --split-input-file --verify-diagnostics --dycl-tile-convolutions='vector-bits=256 registers=16 tuning=conv-1x10x10x6-3x3x6x32-s1x1-d1x1:unroll=4,conv-1x10x10x8-3x3x8x32-s1x1-d1x1:block=12,depthwise-1x8x8x32-3x3x32-s1x1-d1x1:unroll=1'

// What is unrolled divides the channels: what is left over would be slow.
module @unroll {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x6x32xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x6x32xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x10x10x6xf32>, %init: tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x6x32xf32>
    // expected-error@+1 {{tuning of conv-1x10x10x6-3x3x6x32-s1x1-d1x1: unroll is 4, expected a divisor of 6 up to 16}}
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x10x10x6xf32>, tensor<3x3x6x32xf32>) outs(%init : tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
    return %0 : tensor<1x8x8x32xf32>
  }
}

// -----

// A block is of whole vectors.
module @block {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x3x8x32xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x3x8x32xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x10x10x8xf32>, %init: tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x3x8x32xf32>
    // expected-error@+1 {{tuning of conv-1x10x10x8-3x3x8x32-s1x1-d1x1: block is 12, expected a multiple of 8 up to 32}}
    %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x10x10x8xf32>, tensor<3x3x8x32xf32>) outs(%init : tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32>
    return %0 : tensor<1x8x8x32xf32>
  }
}

// -----

// A depthwise convolution sums up no channels that could be unrolled.
module @name {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"dw"> : tensor<3x3x32xf32>, sym_name = "dw", sym_visibility = "private", type = tensor<3x3x32xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x8x8x32xf32>, %init: tensor<1x6x6x32xf32>) -> tensor<1x6x6x32xf32> {
    %dw = "util.global.load"() <{global = @dw}> : () -> tensor<3x3x32xf32>
    // expected-error@+1 {{tuning of depthwise-1x8x8x32-3x3x32-s1x1-d1x1: it has no choice of 'unroll', expected of block, tile, rows}}
    %0 = linalg.depthwise_conv_2d_nhwc_hwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %dw : tensor<1x8x8x32xf32>, tensor<3x3x32xf32>) outs(%init : tensor<1x6x6x32xf32>) -> tensor<1x6x6x32xf32>
    return %0 : tensor<1x6x6x32xf32>
  }
}
