// RUN: dycl-opt %s --split-input-file --dycl-tile-groups='vector-bits=256 registers=16' | FileCheck %s

#id = affine_map<(n, h, w, c) -> (n, h, w, c)>

// Two groups of four channels are a vector: the channels of a pixel are brought in place within it. The weights of the
// two are beside each other; the bias and the activation are in the dispatch, and so is the border.
// CHECK-LABEL: module @several
module @several {
  // CHECK: parameter.named<"model"::"conv.weight@transpose(2,3,4,0,1)@reshape(3,3,4,24)@blocks(8)"> : tensor<3x3x3x4x8xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight"> : tensor<6x4x3x3x4xf32>, sym_name = "w", sym_visibility = "private", type = tensor<6x4x3x3x4xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<2x9x18x24xf32>, %[[B:.+]]: tensor<24xf32>)
  func.func @region_0(%x: tensor<2x9x18x24xf32>, %b: tensor<24xf32>) -> tensor<2x6x10x24xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<6x4x3x3x4xf32>
    %xg = tensor.expand_shape %x [[0], [1], [2], [3, 4]] output_shape [2, 9, 18, 6, 4] : tensor<2x9x18x24xf32> into tensor<2x9x18x6x4xf32>
    %e = tensor.empty() : tensor<2x4x8x24xf32>
    %bias = linalg.broadcast ins(%b : tensor<24xf32>) outs(%e : tensor<2x4x8x24xf32>) dimensions = [0, 1, 2]
    %init = tensor.expand_shape %bias [[0], [1], [2], [3, 4]] output_shape [2, 4, 8, 6, 4] : tensor<2x4x8x24xf32> into tensor<2x4x8x6x4xf32>
    // CHECK: "flow.dispatch.workgroups"(%c3{{[^,]*}}, %c1{{[^,]*}}, %c2{{[^,]*}}, %[[X]], %{{.+}}, %[[B]])
    // CHECK: "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 1, 9, 18, 8>
    // CHECK: vector.shuffle %[[P:.+]], %[[P]] [0, 0, 0, 0, 4, 4, 4, 4]
    // CHECK: vector.fma
    // CHECK: vector.shuffle {{.*}} [3, 3, 3, 3, 7, 7, 7, 7]
    // CHECK: arith.addf {{.*}} : vector<8xf32>
    // CHECK: arith.maximumf {{.*}} : vector<8xf32>
    // CHECK-COUNT-5: "iree_tensor_ext.dispatch.tensor.store"
    // CHECK-NOT: linalg.conv_2d
    // CHECK-NOT: tensor.pad
    %0 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
        ins(%xg, %w : tensor<2x9x18x6x4xf32>, tensor<6x4x3x3x4xf32>) outs(%init : tensor<2x4x8x6x4xf32>) -> tensor<2x4x8x6x4xf32>
    %1 = tensor.collapse_shape %0 [[0], [1], [2], [3, 4]] : tensor<2x4x8x6x4xf32> into tensor<2x4x8x24xf32>
    %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
        ins(%1 : tensor<2x4x8x24xf32>) outs(%e : tensor<2x4x8x24xf32>) {
    ^bb0(%in: f32, %out: f32):
      %3 = arith.maximumf %in, %zero : f32
      linalg.yield %3 : f32
    } -> tensor<2x4x8x24xf32>
    %p = tensor.pad %2 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
    } : tensor<2x4x8x24xf32> to tensor<2x6x10x24xf32>
    return %p : tensor<2x6x10x24xf32>
  }
}

// -----

// A group of more channels is in blocks of a vector, of which the last is shifted back; a number of the input is
// multiplied with each. What reads the result with its groups still does.
// CHECK: #[[$WITHIN:.+]] = affine_map<(d0) -> ((d0 mod 2) * 8, 2)>
// CHECK-LABEL: module @one
module @one {
  // CHECK: parameter.named<"model"::"conv.weight@transpose(0,2,3,4,1)@blocks(8)"> : tensor<2x3x1x2x5x8xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"conv.weight"> : tensor<3x10x1x2x5xf32>, sym_name = "w", sym_visibility = "private", type = tensor<3x10x1x2x5xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x7x8x3x5xf32>, %i: tensor<1x7x7x3x10xf32>) -> tensor<1x7x7x3x10xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<3x10x1x2x5xf32>
    // CHECK: "flow.dispatch.workgroups"(%c6, %c1{{[^,]*}}, %c1{{[^,]*}},
    // CHECK: affine.min #[[$WITHIN]]
    // CHECK: "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 1, 7, 8, 5>
    // CHECK: tensor.extract
    // CHECK: vector.broadcast
    // CHECK: vector.fma
    // CHECK: tensor.expand_shape {{.*}} into tensor<1x7x7x3x10xf32>
    %0 = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%x, %w : tensor<1x7x8x3x5xf32>, tensor<3x10x1x2x5xf32>) outs(%i : tensor<1x7x7x3x10xf32>) -> tensor<1x7x7x3x10xf32>
    return %0 : tensor<1x7x7x3x10xf32>
  }
}
