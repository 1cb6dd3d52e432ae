// RUN: dycl-opt %s --dycl-channels-last --canonicalize --cse | FileCheck %s

#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
#perChannel = affine_map<(n, c, h, w) -> (c)>
#line = affine_map<(n, c, w) -> (n, c, w)>
#mean = affine_map<(n, c, h, w) -> (n, c)>

// CHECK: #[[$MEAN:.+]] = affine_map<(d0, d1, d2, d3) -> (d0, d3)>

// Transpositions are left at the argument, the weights and the result only: none is between the convolutions. The bias
// keeps its channels, whose loop is the last one now.
// CHECK-LABEL: func.func @two
// CHECK-SAME:    %[[X:.+]]: tensor<2x3x8x10xf32>, %[[W0:.+]]: tensor<4x3x3x3xf32>, %[[W1:.+]]: tensor<5x4x1x1xf32>, %[[B:.+]]: tensor<4xf32>
func.func @two(%x: tensor<2x3x8x10xf32>, %w0: tensor<4x3x3x3xf32>, %w1: tensor<5x4x1x1xf32>, %b: tensor<4xf32>)
    -> tensor<2x5x3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<2x4x3x4xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32>
  // CHECK-DAG: %[[XT:.+]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 3, 1]
  // CHECK-DAG: %[[W0T:.+]] = linalg.transpose ins(%[[W0]] : {{.*}} permutation = [2, 3, 1, 0]
  // CHECK:     %[[C0:.+]] = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
  // CHECK-SAME:  ins(%[[XT]], %[[W0T]] : tensor<2x8x10x3xf32>, tensor<3x3x3x4xf32>)
  %0 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
      ins(%x, %w0 : tensor<2x3x8x10xf32>, tensor<4x3x3x3xf32>) outs(%i0 : tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32>
  // CHECK:     %[[A:.+]] = linalg.generic {{.*}} ins(%[[C0]], %[[B]] : tensor<2x3x4x4xf32>, tensor<4xf32>)
  %1 = linalg.generic {indexing_maps = [#id, #perChannel, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0, %b : tensor<2x4x3x4xf32>, tensor<4xf32>) outs(%e0 : tensor<2x4x3x4xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %2 = arith.subf %in, %bias : f32
    linalg.yield %2 : f32
  } -> tensor<2x4x3x4xf32>
  %e1 = tensor.empty() : tensor<2x5x3x4xf32>
  %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x5x3x4xf32>) -> tensor<2x5x3x4xf32>
  // CHECK:     %[[C1:.+]] = linalg.conv_2d_nhwc_hwcf {{.*}} ins(%[[A]],
  %3 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%1, %w1 : tensor<2x4x3x4xf32>, tensor<5x4x1x1xf32>) outs(%i1 : tensor<2x5x3x4xf32>) -> tensor<2x5x3x4xf32>
  // CHECK:     %[[R:.+]] = linalg.transpose ins(%[[C1]] : {{.*}} permutation = [0, 3, 1, 2]
  // CHECK:     return %[[R]]
  return %3 : tensor<2x5x3x4xf32>
}

// A border, a concatenation, a slice and a pool are of nhwc, too.
// CHECK-LABEL: func.func @followers
func.func @followers(%y: tensor<1x6x5x4xf32>, %w: tensor<2x2xf32>) -> tensor<1x5x4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  // CHECK-NOT: linalg.transpose
  %x = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  // CHECK: tensor.pad %{{.+}} low[0, 0, 2, 0] high[0, 1, 0, 0]
  %p = tensor.pad %x low[0, 0, 0, 2] high[0, 0, 1, 0] {
  ^bb0(%n: index, %c: index, %h: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<1x4x6x5xf32> to tensor<1x4x7x7xf32>
  // CHECK: tensor.concat dim(3) {{.*}} : (tensor<1x7x7x4xf32>, tensor<1x7x7x4xf32>) -> tensor<1x7x7x8xf32>
  %k = tensor.concat dim(1) %p, %p : (tensor<1x4x7x7xf32>, tensor<1x4x7x7xf32>) -> tensor<1x8x7x7xf32>
  // CHECK: tensor.extract_slice %{{.+}}[0, 2, 1, 3] [1, 5, 5, 5] [1, 1, 1, 1] : tensor<1x7x7x8xf32> to tensor<1x5x5x5xf32>
  %s = tensor.extract_slice %k[0, 3, 2, 1] [1, 5, 5, 5] [1, 1, 1, 1] : tensor<1x8x7x7xf32> to tensor<1x5x5x5xf32>
  %e1 = tensor.empty() : tensor<1x5x4x4xf32>
  %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<1x5x4x4xf32>) -> tensor<1x5x4x4xf32>
  // CHECK: linalg.pooling_nhwc_max
  // CHECK: linalg.transpose
  // CHECK: return
  %m = linalg.pooling_nchw_max {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%s, %w : tensor<1x5x5x5xf32>, tensor<2x2xf32>) outs(%i1 : tensor<1x5x4x4xf32>) -> tensor<1x5x4x4xf32>
  return %m : tensor<1x5x4x4xf32>
}

// What reduces the pixels reads nhwc, with the channels in the innermost loop.
// CHECK-LABEL: func.func @reduces
// CHECK-SAME:    %[[Y:.+]]: tensor<1x6x5x4xf32>, %[[INIT:.+]]: tensor<1x4xf32>
func.func @reduces(%y: tensor<1x6x5x4xf32>, %init: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  %x = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  // CHECK-NOT: linalg.transpose
  // CHECK: linalg.generic {indexing_maps = [#{{.+}}, #[[$MEAN]]], iterator_types = ["parallel", "reduction", "reduction", "parallel"]}
  // CHECK-SAME: ins(%[[Y]] : tensor<1x6x5x4xf32>) outs(%[[INIT]] : tensor<1x4xf32>)
  %0 = linalg.generic {indexing_maps = [#id, #mean], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x : tensor<1x4x6x5xf32>) outs(%init : tensor<1x4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.addf %in, %out : f32
    linalg.yield %1 : f32
  } -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}

// Indices are those of the loops in their new order.
// CHECK-LABEL: func.func @indices
// CHECK-SAME: %[[Y:.+]]: tensor<1x6x5x4xf32>
func.func @indices(%y: tensor<1x6x5x4xf32>) -> tensor<1x4x6x5xi64> {
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  %x = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  %o = tensor.empty() : tensor<1x4x6x5xi64>
  // CHECK: %[[R:.+]] = linalg.generic {{.*}} ins(%[[Y]] : tensor<1x6x5x4xf32>)
  // CHECK: linalg.index 3
  // CHECK: linalg.transpose ins(%[[R]]
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<1x4x6x5xf32>) outs(%o : tensor<1x4x6x5xi64>) {
  ^bb0(%in: f32, %out: i64):
    %1 = linalg.index 1 : index
    %2 = arith.index_cast %1 : index to i64
    linalg.yield %2 : i64
  } -> tensor<1x4x6x5xi64>
  return %0 : tensor<1x4x6x5xi64>
}

// An image that is read by indices, as a resized one is, is read as nhwc: rows by a table, and each second channel.
// CHECK-LABEL: func.func @gather
// CHECK-SAME: %[[Y:[a-z0-9]+]]: tensor<2x6x5x4xf32>, %[[T:[a-z0-9]+]]: tensor<3xi64>
func.func @gather(%y: tensor<2x6x5x4xf32>, %t: tensor<3xi64>) -> tensor<2x2x3x5xf32> {
  %c2 = arith.constant 2 : index
  %e = tensor.empty() : tensor<2x4x6x5xf32>
  %x = linalg.transpose ins(%y : tensor<2x6x5x4xf32>) outs(%e : tensor<2x4x6x5xf32>) permutation = [0, 3, 1, 2]
  %o = tensor.empty() : tensor<2x2x3x5xf32>
  // CHECK: %[[R:.+]] = linalg.generic {indexing_maps = [#[[$ROW:.+]], #{{.+}}], {{.+}}} ins(%[[T]] : tensor<3xi64>)
  // CHECK-SAME: outs({{.+}} : tensor<2x3x5x2xf32>)
  // CHECK:   %[[ROW:.+]] = arith.index_cast
  // CHECK-DAG: %[[N:.+]] = linalg.index 0
  // CHECK-DAG: %[[C:.+]] = linalg.index 3
  // CHECK-DAG: %[[W:.+]] = linalg.index 2
  // CHECK-DAG: %[[SECOND:.+]] = arith.muli %[[C]]
  // CHECK:   tensor.extract %[[Y]][%[[N]], %[[ROW]], %[[W]], %[[SECOND]]] : tensor<2x6x5x4xf32>
  // CHECK: linalg.transpose ins(%[[R]] : tensor<2x3x5x2xf32>)
  %0 = linalg.generic {indexing_maps = [affine_map<(n, c, h, w) -> (h)>, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%t : tensor<3xi64>) outs(%o : tensor<2x2x3x5xf32>) {
  ^bb0(%in: i64, %out: f32):
    %row = arith.index_cast %in : i64 to index
    %n = linalg.index 0 : index
    %c = linalg.index 1 : index
    %w = linalg.index 3 : index
    %second = arith.muli %c, %c2 : index
    %v = tensor.extract %x[%n, %second, %row, %w] : tensor<2x4x6x5xf32>
    linalg.yield %v : f32
  } -> tensor<2x2x3x5xf32>
  return %0 : tensor<2x2x3x5xf32>
}

// The first of equal elements is another one in another order: what reduces with indices stays, behind a transposition.
// CHECK-LABEL: func.func @reduced_indices
func.func @reduced_indices(%y: tensor<1x6x5x4xf32>) -> tensor<1x5xindex> {
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  %x = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  %o = tensor.empty() : tensor<1x5xindex>
  // CHECK: %[[X:.+]] = linalg.transpose
  // CHECK: linalg.generic {{.*}} ins(%[[X]] : tensor<1x4x6x5xf32>)
  %0 = linalg.generic {indexing_maps = [#id, affine_map<(n, c, h, w) -> (n, w)>], iterator_types = ["parallel", "reduction", "reduction", "parallel"]}
      ins(%x : tensor<1x4x6x5xf32>) outs(%o : tensor<1x5xindex>) {
  ^bb0(%in: f32, %out: index):
    %i = linalg.index 1 : index
    %j = arith.fptosi %in : f32 to i64
    %k = arith.index_cast %j : i64 to index
    %s = arith.addi %k, %i : index
    %m = arith.maxsi %s, %out : index
    linalg.yield %m : index
  } -> tensor<1x5xindex>
  return %0 : tensor<1x5xindex>
}

// Groups of channels read one border, which is added to the whole image.
// CHECK-LABEL: func.func @groups
// CHECK-SAME:    %[[Y:.+]]: tensor<1x6x5x4xf32>
func.func @groups(%y: tensor<1x6x5x4xf32>) -> (tensor<1x7x7x1xf32>, tensor<1x7x7x3xf32>) {
  %zero = arith.constant 0.0 : f32
  // CHECK: %[[P:.+]] = tensor.pad %[[Y]] low[0, 0, 2, 0] high[0, 1, 0, 0]
  // CHECK: %[[S0:.+]] = tensor.extract_slice %[[P]][0, 0, 0, 0] [1, 7, 7, 1]
  // CHECK: %[[S1:.+]] = tensor.extract_slice %[[P]][0, 0, 0, 1] [1, 7, 7, 3]
  // CHECK: return %[[S0]], %[[S1]]
  %0 = tensor.extract_slice %y[0, 0, 0, 0] [1, 6, 5, 1] [1, 1, 1, 1] : tensor<1x6x5x4xf32> to tensor<1x6x5x1xf32>
  %1 = tensor.pad %0 low[0, 0, 2, 0] high[0, 1, 0, 0] {
  ^bb0(%n: index, %h: index, %w: index, %c: index):
    tensor.yield %zero : f32
  } : tensor<1x6x5x1xf32> to tensor<1x7x7x1xf32>
  %2 = tensor.extract_slice %y[0, 0, 0, 1] [1, 6, 5, 3] [1, 1, 1, 1] : tensor<1x6x5x4xf32> to tensor<1x6x5x3xf32>
  %3 = tensor.pad %2 low[0, 0, 2, 0] high[0, 1, 0, 0] {
  ^bb0(%n: index, %h: index, %w: index, %c: index):
    tensor.yield %zero : f32
  } : tensor<1x6x5x3xf32> to tensor<1x7x7x3xf32>
  return %1, %3 : tensor<1x7x7x1xf32>, tensor<1x7x7x3xf32>
}

// What is transposed to nhwc by the program itself would become an image of nhwc beside another operand, and that one
// in turn: such an operation stays, and the pass ends.
// CHECK-LABEL: func.func @three_orders
func.func @three_orders(%c: tensor<1x4x4x4xi1>, %a: tensor<1x4x4x4xf32>, %b: tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32> {
  %e = tensor.empty() : tensor<1x4x4x4xf32>
  // CHECK: %[[X:.+]] = linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
  // CHECK: %[[Y:.+]] = linalg.transpose {{.*}} permutation = [0, 2, 3, 1]
  // CHECK: linalg.generic {{.*}} ins(%{{.+}}, %[[X]], %[[Y]]
  %x = linalg.transpose ins(%a : tensor<1x4x4x4xf32>) outs(%e : tensor<1x4x4x4xf32>) permutation = [0, 3, 1, 2]
  %y = linalg.transpose ins(%b : tensor<1x4x4x4xf32>) outs(%e : tensor<1x4x4x4xf32>) permutation = [0, 2, 3, 1]
  %0 = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%c, %x, %y : tensor<1x4x4x4xi1>, tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) outs(%e : tensor<1x4x4x4xf32>) {
  ^bb0(%p: i1, %q: f32, %r: f32, %out: f32):
    %1 = arith.select %p, %q, %r : f32
    linalg.yield %1 : f32
  } -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// Of a grouped convolution the groups are taken apart behind the transposition, and what follows it is of nhwc too.
// CHECK-LABEL: func.func @grouped
// CHECK-SAME:    %[[X:.+]]: tensor<2x6x7x9xf32>, %[[W:.+]]: tensor<3x4x2x2x1xf32>, %[[B:.+]]: tensor<12xf32>
func.func @grouped(%x: tensor<2x6x7x9xf32>, %w: tensor<3x4x2x2x1xf32>, %b: tensor<12xf32>) -> tensor<2x12x6x9xf32> {
  // CHECK-DAG: %[[XT:.+]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 3, 1]
  // CHECK-DAG: %[[XG:.+]] = tensor.expand_shape %[[XT]] {{\[\[}}0], [1], [2], [3, 4]{{\]}} {{.*}} into tensor<2x7x9x3x2xf32>
  // CHECK-DAG: %[[WT:.+]] = linalg.transpose ins(%[[W]] : {{.*}} permutation = [0, 1, 3, 4, 2]
  // CHECK-DAG: %[[BIAS:.+]] = linalg.broadcast ins(%[[B]] : tensor<12xf32>) {{.*}} dimensions = [0, 1, 2]
  // CHECK-DAG: %[[INIT:.+]] = tensor.expand_shape %[[BIAS]] {{\[\[}}0], [1], [2], [3, 4]{{\]}} {{.*}} into tensor<2x6x9x3x4xf32>
  // CHECK: %[[C:.+]] = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
  // CHECK-SAME: ins(%[[XG]], %[[WT]] : tensor<2x7x9x3x2xf32>, tensor<3x4x2x1x2xf32>) outs(%[[INIT]]
  // CHECK: %[[R:.+]] = tensor.collapse_shape %[[C]] {{\[\[}}0], [1], [2], [3, 4]{{\]}}
  // CHECK: %[[E:.+]] = linalg.generic {{.*}} ins(%[[R]] : tensor<2x6x9x12xf32>)
  // CHECK: %[[N:.+]] = linalg.transpose ins(%[[E]]
  // CHECK: return %[[N]]
  %xg = tensor.expand_shape %x [[0], [1, 2], [3], [4]] output_shape [2, 3, 2, 7, 9] : tensor<2x6x7x9xf32> into tensor<2x3x2x7x9xf32>
  %e = tensor.empty() : tensor<2x12x6x9xf32>
  %bias = linalg.broadcast ins(%b : tensor<12xf32>) outs(%e : tensor<2x12x6x9xf32>) dimensions = [0, 2, 3]
  %init = tensor.expand_shape %bias [[0], [1, 2], [3], [4]] output_shape [2, 3, 4, 6, 9] : tensor<2x12x6x9xf32> into tensor<2x3x4x6x9xf32>
  %0 = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%xg, %w : tensor<2x3x2x7x9xf32>, tensor<3x4x2x2x1xf32>) outs(%init : tensor<2x3x4x6x9xf32>) -> tensor<2x3x4x6x9xf32>
  %1 = tensor.collapse_shape %0 [[0], [1, 2], [3], [4]] : tensor<2x3x4x6x9xf32> into tensor<2x12x6x9xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%1 : tensor<2x12x6x9xf32>) outs(%e : tensor<2x12x6x9xf32>) {
  ^bb0(%in: f32, %out: f32):
    %3 = math.exp %in : f32
    linalg.yield %3 : f32
  } -> tensor<2x12x6x9xf32>
  return %2 : tensor<2x12x6x9xf32>
}

// What follows a convolution of lines, images of one row, is computed on those, and no transposition is between them.
// CHECK-LABEL: func.func @lines
// CHECK-SAME:    %[[X:.+]]: tensor<2x3x9xf32>
func.func @lines(%x: tensor<2x3x9xf32>, %w0: tensor<4x3x1x3xf32>, %w1: tensor<5x4x1x2xf32>, %i0: tensor<2x4x1x7xf32>, %i1: tensor<2x5x1x6xf32>) -> tensor<2x5x6xf32> {
  // CHECK: linalg.transpose ins(%{{.+}} : tensor<2x3x1x9xf32>)
  // CHECK: %[[C0:.+]] = linalg.conv_2d_nhwc_hwcf
  // CHECK: %[[E:.+]] = linalg.generic {{.*}} ins(%[[C0]] : tensor<2x1x7x4xf32>)
  // CHECK: linalg.conv_2d_nhwc_hwcf {{.*}} ins(%[[E]],
  %x0 = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [2, 3, 1, 9] : tensor<2x3x9xf32> into tensor<2x3x1x9xf32>
  %0 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%x0, %w0 : tensor<2x3x1x9xf32>, tensor<4x3x1x3xf32>) outs(%i0 : tensor<2x4x1x7xf32>) -> tensor<2x4x1x7xf32>
  %1 = tensor.collapse_shape %0 [[0], [1], [2, 3]] : tensor<2x4x1x7xf32> into tensor<2x4x7xf32>
  %e = tensor.empty() : tensor<2x4x7xf32>
  %2 = linalg.generic {indexing_maps = [#line, #line], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%1 : tensor<2x4x7xf32>) outs(%e : tensor<2x4x7xf32>) {
  ^bb0(%in: f32, %out: f32):
    %3 = math.exp %in : f32
    linalg.yield %3 : f32
  } -> tensor<2x4x7xf32>
  %x1 = tensor.expand_shape %2 [[0], [1], [2, 3]] output_shape [2, 4, 1, 7] : tensor<2x4x7xf32> into tensor<2x4x1x7xf32>
  %4 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
      ins(%x1, %w1 : tensor<2x4x1x7xf32>, tensor<5x4x1x2xf32>) outs(%i1 : tensor<2x5x1x6xf32>) -> tensor<2x5x1x6xf32>
  %5 = tensor.collapse_shape %4 [[0], [1], [2, 3]] : tensor<2x5x1x6xf32> into tensor<2x5x6xf32>
  return %5 : tensor<2x5x6xf32>
}

// A product of an image as a row stays one, and so does a sum of it.
// CHECK-LABEL: func.func @flattened
// CHECK:         %[[T:.+]] = linalg.transpose {{.*}} outs(%{{.+}} : tensor<1x4x6x5xf32>)
// CHECK:         %[[ROW:.+]] = tensor.collapse_shape %[[T]] {{\[\[}}0], [1, 2, 3]{{\]}} : tensor<1x4x6x5xf32> into tensor<1x120xf32>
// CHECK:         linalg.matmul ins(%[[ROW]], %{{.+}} : tensor<1x120xf32>, tensor<120x7xf32>)
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%[[ROW]] : tensor<1x120xf32>)
func.func @flattened(%y: tensor<1x6x5x4xf32>, %w: tensor<120x7xf32>, %i: tensor<1x7xf32>, %j: tensor<1xf32>) -> (tensor<1x7xf32>, tensor<1xf32>) {
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  %t = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  %row = tensor.collapse_shape %t [[0], [1, 2, 3]] : tensor<1x4x6x5xf32> into tensor<1x120xf32>
  %0 = linalg.matmul ins(%row, %w : tensor<1x120xf32>, tensor<120x7xf32>) outs(%i : tensor<1x7xf32>) -> tensor<1x7xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%row : tensor<1x120xf32>) outs(%j : tensor<1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.addf %in, %out : f32
    linalg.yield %2 : f32
  } -> tensor<1xf32>
  return %0, %1 : tensor<1x7xf32>, tensor<1xf32>
}
