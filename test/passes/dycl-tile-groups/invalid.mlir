// RUN: dycl-opt %s --split-input-file --dycl-tile-groups='vector-bits=256 registers=16' | FileCheck %s

// Stays: a dynamic size, f64, a weight that is no parameter, small groups of many inputs each.
// CHECK-LABEL: module @others
// CHECK-NOT: flow.dispatch
// CHECK-COUNT-4: linalg.conv_2d_nhwgc_gfhwc
// CHECK-NOT: flow.dispatch
module @others {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<3x8x1x1x5xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x8x1x1x5xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"d"> : tensor<3x8x1x1x5xf64>, sym_name = "d", sym_visibility = "private", type = tensor<3x8x1x1x5xf64>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"m"> : tensor<3x2x1x1x25xf32>, sym_name = "m", sym_visibility = "private", type = tensor<3x2x1x1x25xf32>}> : () -> ()
  func.func @region_0(%x: tensor<?x2x4x3x5xf32>, %xi: tensor<?x2x4x3x8xf32>, %y: tensor<1x2x4x3x5xf64>, %yi: tensor<1x2x4x3x8xf64>,
                      %z: tensor<1x2x4x3x5xf32>, %zw: tensor<3x8x1x1x5xf32>, %zi: tensor<1x2x4x3x8xf32>,
                      %v: tensor<1x2x4x3x25xf32>, %vi: tensor<1x2x4x3x2xf32>)
      -> (tensor<?x2x4x3x8xf32>, tensor<1x2x4x3x8xf64>, tensor<1x2x4x3x8xf32>, tensor<1x2x4x3x2xf32>) {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x8x1x1x5xf32>
    %d = "util.global.load"() <{global = @d}> : () -> tensor<3x8x1x1x5xf64>
    %m = "util.global.load"() <{global = @m}> : () -> tensor<3x2x1x1x25xf32>
    %0 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<?x2x4x3x5xf32>, tensor<3x8x1x1x5xf32>) outs(%xi : tensor<?x2x4x3x8xf32>) -> tensor<?x2x4x3x8xf32>
    %1 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%y, %d : tensor<1x2x4x3x5xf64>, tensor<3x8x1x1x5xf64>) outs(%yi : tensor<1x2x4x3x8xf64>) -> tensor<1x2x4x3x8xf64>
    %2 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%z, %zw : tensor<1x2x4x3x5xf32>, tensor<3x8x1x1x5xf32>) outs(%zi : tensor<1x2x4x3x8xf32>) -> tensor<1x2x4x3x8xf32>
    %3 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%v, %m : tensor<1x2x4x3x25xf32>, tensor<3x2x1x1x25xf32>) outs(%vi : tensor<1x2x4x3x2xf32>) -> tensor<1x2x4x3x2xf32>
    return %0, %1, %2, %3 : tensor<?x2x4x3x8xf32>, tensor<1x2x4x3x8xf64>, tensor<1x2x4x3x8xf32>, tensor<1x2x4x3x2xf32>
  }
}
