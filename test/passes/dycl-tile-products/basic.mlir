// RUN: dycl-opt %s --split-input-file --dycl-tile-products='vector-bits=256 registers=16' | FileCheck %s

// The weight is stored in blocks of 16 columns, of which there are 3. Behind the reshape to a batch of one, the bias
// and the activation are computed in the dispatch all the same.
// CHECK-LABEL: module @linear
module @linear {
  // CHECK: "util.global"() <{initial_value = #flow.parameter.named<"model"::"fc.weight@transpose(1,0)@blocks(16)"> : tensor<3x20x16xf32>, sym_name = "[[PACKED:.+]]", sym_visibility
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"fc.weight"> : tensor<48x20xf32>, sym_name = "w", sym_visibility = "private", type = tensor<48x20xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<7x20xf32>, %[[B:.+]]: tensor<48xf32>)
  func.func @region_0(%x: tensor<7x20xf32>, %b: tensor<48xf32>) -> tensor<1x7x48xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<48x20xf32>
    %et = tensor.empty() : tensor<20x48xf32>
    %t = linalg.transpose ins(%w : tensor<48x20xf32>) outs(%et : tensor<20x48xf32>) permutation = [1, 0]
    %e = tensor.empty() : tensor<7x48xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<7x48xf32>) -> tensor<7x48xf32>
    // CHECK-NOT: "util.global.load"() <{global = @w}>
    // CHECK: %[[W:.+]] = "util.global.load"() <{global = @[[PACKED]]}> : () -> tensor<3x20x16xf32>
    // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c1, %c3, %[[X]], %[[W]], %[[B]])
    // CHECK:   %[[BLOCK:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 1 : index}>
    // CHECK:   %[[COLUMN:.+]] = affine.apply #{{.+}}(%[[BLOCK]])
    // CHECK:   %[[P:.+]] = linalg.matmul {compilation_info = {{.*}}vector_common_parallel = [4, 16, 0], vector_reduction = [0, 0, 1]>, translation_info = #iree_codegen.translation_info<pipeline = #iree_cpu.pipeline<DoubleTilingExpert>, {enable_loop_peeling = true}>>}
    // CHECK-SAME: tensor<7x20xf32>, tensor<20x16xf32>
    // CHECK:   linalg.generic {{.*}} ins(%[[P]], %{{.+}} : tensor<7x16xf32>, tensor<16xf32>)
    // CHECK:     arith.addf
    // CHECK:   %[[T:.+]] = linalg.generic
    // CHECK:     math.tanh
    // CHECK:   "iree_tensor_ext.dispatch.tensor.store"(%[[T]], %{{.+}}, %[[COLUMN]]) <{{.*}}static_offsets = array<i64: 0, -9223372036854775808>, static_sizes = array<i64: 7, 16>
    // CHECK: %[[S:.+]] = tensor.expand_shape %[[R]]
    // CHECK: return %[[S]]
    %0 = linalg.matmul ins(%x, %t : tensor<7x20xf32>, tensor<20x48xf32>) outs(%init : tensor<7x48xf32>) -> tensor<7x48xf32>
    %1 = tensor.expand_shape %0 [[0, 1], [2]] output_shape [1, 7, 48] : tensor<7x48xf32> into tensor<1x7x48xf32>
    %e1 = tensor.empty() : tensor<1x7x48xf32>
    %2 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (c)>, affine_map<(a, b, c) -> (a, b, c)>],
                         iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%1, %b : tensor<1x7x48xf32>, tensor<48xf32>) outs(%e1 : tensor<1x7x48xf32>) {
    ^bb0(%in: f32, %bias: f32, %out: f32):
      %3 = arith.addf %in, %bias : f32
      linalg.yield %3 : f32
    } -> tensor<1x7x48xf32>
    %4 = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>],
                         iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%2 : tensor<1x7x48xf32>) outs(%e1 : tensor<1x7x48xf32>) {
    ^bb0(%in: f32, %out: f32):
      %5 = math.tanh %in : f32
      linalg.yield %5 : f32
    } -> tensor<1x7x48xf32>
    return %4 : tensor<1x7x48xf32>
  }
}

// -----

// Rows that data counts: tiles of 4, 2 or 1, the largest that there are rows for, the last of them shifted back. The
// others have no workgroups.
// CHECK: #[[$LAST:.+]] = affine_map<(d0, d1) -> (d0 * 4, d1 - 4)>
// CHECK-LABEL: module @rows
module @rows {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<20x16xf32>, sym_name = "w", sym_visibility = "private", type = tensor<20x16xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<?x20xf32>
  func.func @region_0(%x: tensor<?x20xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<20x16xf32>
    // CHECK: %[[M:.+]] = tensor.dim %[[X]]
    // CHECK: %[[IS4:.+]] = arith.cmpi uge, %[[M]], %c4
    // CHECK: %[[ALL4:.+]] = arith.ceildivui %[[M]], %c4{{.*}}
    // CHECK: %[[N4:.+]] = arith.select %[[IS4]], %[[ALL4]], %c0
    // CHECK: %[[BY4:.+]] = "flow.dispatch.workgroups"(%[[N4]], %c1{{.*}}tied_operands = [-1 : index]
    // CHECK:     affine.min #[[$LAST]](%{{.+}})
    // CHECK:     vector_common_parallel = [4, 16, 0]
    // CHECK: %[[IS2:.+]] = arith.cmpi uge, %[[M]], %c2
    // CHECK: %[[LESS4:.+]] = arith.cmpi ult, %[[M]], %c4
    // CHECK: %[[ONLY2:.+]] = arith.andi %[[IS2]], %[[LESS4]]
    // CHECK: %[[N2:.+]] = arith.select %[[ONLY2]], %{{.+}}, %c0
    // The second operand is the result of the first, which it updates.
    // CHECK: %[[BY2:.+]] = "flow.dispatch.workgroups"(%[[N2]], %c1{{.*}}, %{{.+}}, %{{.+}}, %{{.+}}, %[[BY4]], {{.*}}tied_operands = [3 : index]
    // CHECK: dispatch.tensor<readwrite:tensor<?x16xf32>>
    // CHECK:     vector_common_parallel = [2, 16, 0]
    // CHECK: %[[BY1:.+]] = "flow.dispatch.workgroups"({{.*}}, %[[BY2]], {{.*}}tied_operands = [3 : index]
    // CHECK:     vector_common_parallel = [1, 16, 0]
    // CHECK: return %[[BY1]]
    %0 = linalg.matmul ins(%x, %w : tensor<?x20xf32>, tensor<20x16xf32>) outs(%init : tensor<?x16xf32>) -> tensor<?x16xf32>
    return %0 : tensor<?x16xf32>
  }
}

// -----

// A weight that two products read in one order is one parameter, one that they read in two orders is two. One of
// activations, and fewer columns than a vector has numbers, stay as they are.
// CHECK-LABEL: module @several
module @several {
  // CHECK-DAG: "model"::"w@blocks(16)"> : tensor<1x16x16xf32>
  // CHECK-DAG: "model"::"w@transpose(1,0)@blocks(16)"> : tensor<1x16x16xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<16x16xf32>, sym_name = "w", sym_visibility = "private", type = tensor<16x16xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"few"> : tensor<16x7xf32>, sym_name = "few", sym_visibility = "private", type = tensor<16x7xf32>}> : () -> ()
  func.func @region_0(%x: tensor<2x16xf32>, %y: tensor<16x16xf32>, %i0: tensor<2x16xf32>, %i1: tensor<2x7xf32>)
      -> (tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x7xf32>) {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<16x16xf32>
    %few = "util.global.load"() <{global = @few}> : () -> tensor<16x7xf32>
    %et = tensor.empty() : tensor<16x16xf32>
    %t = linalg.transpose ins(%w : tensor<16x16xf32>) outs(%et : tensor<16x16xf32>) permutation = [1, 0]
    // CHECK-COUNT-3: "flow.dispatch.workgroups"
    %0 = linalg.matmul ins(%x, %w : tensor<2x16xf32>, tensor<16x16xf32>) outs(%i0 : tensor<2x16xf32>) -> tensor<2x16xf32>
    %1 = linalg.matmul ins(%x, %t : tensor<2x16xf32>, tensor<16x16xf32>) outs(%i0 : tensor<2x16xf32>) -> tensor<2x16xf32>
    %2 = linalg.matmul ins(%0, %w : tensor<2x16xf32>, tensor<16x16xf32>) outs(%i0 : tensor<2x16xf32>) -> tensor<2x16xf32>
    // CHECK-NOT: "flow.dispatch.workgroups"
    // CHECK: linalg.matmul ins(%{{.+}}, %{{.+}} : tensor<2x16xf32>, tensor<16x16xf32>)
    // CHECK: linalg.matmul ins(%{{.+}}, %{{.+}} : tensor<2x16xf32>, tensor<16x7xf32>)
    %3 = linalg.matmul ins(%x, %y : tensor<2x16xf32>, tensor<16x16xf32>) outs(%i0 : tensor<2x16xf32>) -> tensor<2x16xf32>
    %4 = linalg.matmul ins(%x, %few : tensor<2x16xf32>, tensor<16x7xf32>) outs(%i1 : tensor<2x7xf32>) -> tensor<2x7xf32>
    return %0, %1, %2, %3, %4 : tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>, tensor<2x7xf32>
  }
}

// -----

// A block has two vectors where the last block then computes few columns again, one where it would be many.
// CHECK-LABEL: module @blocks
module @blocks {
  // CHECK-DAG: "model"::"wide@blocks(16)"> : tensor<16x20x16xf32>
  // CHECK-DAG: "model"::"narrow@blocks(8)"> : tensor<9x20x8xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"wide"> : tensor<20x248xf32>, sym_name = "wide", sym_visibility = "private", type = tensor<20x248xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"narrow"> : tensor<20x66xf32>, sym_name = "narrow", sym_visibility = "private", type = tensor<20x66xf32>}> : () -> ()
  func.func @region_0(%x: tensor<2x20xf32>, %i0: tensor<2x248xf32>, %i1: tensor<2x66xf32>) -> (tensor<2x248xf32>, tensor<2x66xf32>) {
    %wide = "util.global.load"() <{global = @wide}> : () -> tensor<20x248xf32>
    %narrow = "util.global.load"() <{global = @narrow}> : () -> tensor<20x66xf32>
    %0 = linalg.matmul ins(%x, %wide : tensor<2x20xf32>, tensor<20x248xf32>) outs(%i0 : tensor<2x248xf32>) -> tensor<2x248xf32>
    %1 = linalg.matmul ins(%x, %narrow : tensor<2x20xf32>, tensor<20x66xf32>) outs(%i1 : tensor<2x66xf32>) -> tensor<2x66xf32>
    return %0, %1 : tensor<2x248xf32>, tensor<2x66xf32>
  }
}

// -----

// Products of activations: a workgroup computes a block of columns of one of the batch. The second operand is read
// through its transposition, and the result is stored through the reshape and the transposition behind it.
// CHECK-LABEL: module @attention
module @attention {
  // CHECK: func.func @region_0(%[[A:.+]]: tensor<3x7x9xf32>, %[[V:.+]]: tensor<9x3x20xf32>)
  func.func @region_0(%a: tensor<3x7x9xf32>, %v: tensor<9x3x20xf32>) -> tensor<7x3x20xf32> {
    %zero = arith.constant 0.0 : f32
    %ev = tensor.empty() : tensor<3x9x20xf32>
    %t = linalg.transpose ins(%v : tensor<9x3x20xf32>) outs(%ev : tensor<3x9x20xf32>) permutation = [1, 0, 2]
    %e = tensor.empty() : tensor<3x7x20xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<3x7x20xf32>) -> tensor<3x7x20xf32>
    // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%{{.+}}, %{{.+}}, %[[A]], %[[V]])
    // CHECK:   %[[BLOCK:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 0 : index}>
    // CHECK:   %[[COLUMN:.+]] = affine.min #{{.+}}(%[[BLOCK]])
    // CHECK:   %[[BATCH:.+]] = "flow.dispatch.workgroup.id"() <{dimension = 1 : index}>
    // CHECK:   "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 1, 7, 9>{{.*}} -> tensor<7x9xf32>
    // CHECK:   "iree_tensor_ext.dispatch.tensor.load"({{.*}}static_sizes = array<i64: 9, 1, 8>{{.*}} -> tensor<9x8xf32>
    // CHECK:   linalg.matmul {compilation_info
    // CHECK:   "iree_tensor_ext.dispatch.tensor.store"({{.*}}static_sizes = array<i64: 7, 1, 8>{{.*}} !iree_tensor_ext.dispatch.tensor<writeonly:tensor<7x3x20xf32>>
    // CHECK: return %[[R]]
    %0 = linalg.batch_matmul ins(%a, %t : tensor<3x7x9xf32>, tensor<3x9x20xf32>) outs(%init : tensor<3x7x20xf32>) -> tensor<3x7x20xf32>
    %eo = tensor.empty() : tensor<7x3x20xf32>
    %1 = linalg.transpose ins(%0 : tensor<3x7x20xf32>) outs(%eo : tensor<7x3x20xf32>) permutation = [1, 0, 2]
    return %1 : tensor<7x3x20xf32>
  }
}

// -----

// A transposition within a piece would store elements in another order: it stays.
// CHECK-LABEL: module @transposed
module @transposed {
  func.func @region_0(%a: tensor<3x7x9xf32>, %b: tensor<3x9x20xf32>) -> tensor<3x20x7xf32> {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<3x7x20xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<3x7x20xf32>) -> tensor<3x7x20xf32>
    // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"
    // CHECK: linalg.transpose ins(%[[R]] : tensor<3x7x20xf32>)
    %0 = linalg.batch_matmul ins(%a, %b : tensor<3x7x9xf32>, tensor<3x9x20xf32>) outs(%init : tensor<3x7x20xf32>) -> tensor<3x7x20xf32>
    %eo = tensor.empty() : tensor<3x20x7xf32>
    %1 = linalg.transpose ins(%0 : tensor<3x7x20xf32>) outs(%eo : tensor<3x20x7xf32>) permutation = [0, 2, 1]
    return %1 : tensor<3x20x7xf32>
  }
}

// -----

// A cell of one row: what follows a product on the vector that the row is, is computed on the row, in the dispatch; also
// what adds another product to it.
// CHECK-LABEL: module @cell
module @cell {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<20x16xf32>, sym_name = "w", sym_visibility = "private", type = tensor<20x16xf32>}> : () -> ()
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"v"> : tensor<24x16xf32>, sym_name = "v", sym_visibility = "private", type = tensor<24x16xf32>}> : () -> ()
  // CHECK: func.func @region_0(%[[X:.+]]: tensor<1x20xf32>, %[[H:.+]]: tensor<1x24xf32>, %[[B:.+]]: tensor<16xf32>)
  func.func @region_0(%x: tensor<1x20xf32>, %h: tensor<1x24xf32>, %b: tensor<16xf32>) -> tensor<16xf32> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<20x16xf32>
    %v = "util.global.load"() <{global = @v}> : () -> tensor<24x16xf32>
    %e = tensor.empty() : tensor<1x16xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16xf32>) -> tensor<1x16xf32>
    // CHECK: %[[FIRST:.+]] = "flow.dispatch.workgroups"(%c1{{[^,]*}}, %c1{{[^,]*}}, %[[H]], %{{[^,]+}})
    // CHECK: %[[SECOND:.+]] = "flow.dispatch.workgroups"(%c1{{[^,]*}}, %c1{{[^,]*}}, %[[X]], %{{[^,]+}}, %[[B]], %[[FIRST]])
    // CHECK:   linalg.matmul
    // CHECK:   arith.addf
    // CHECK:   arith.subf
    // CHECK-NOT: linalg.generic
    // CHECK: %[[R:.+]] = tensor.collapse_shape %[[SECOND]]
    // CHECK: return %[[R]]
    %0 = linalg.matmul ins(%x, %w : tensor<1x20xf32>, tensor<20x16xf32>) outs(%z : tensor<1x16xf32>) -> tensor<1x16xf32>
    %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
        ins(%0, %b : tensor<1x16xf32>, tensor<16xf32>) outs(%e : tensor<1x16xf32>) {
    ^bb0(%in: f32, %bias: f32, %out: f32):
      %s = arith.addf %in, %bias : f32
      linalg.yield %s : f32
    } -> tensor<1x16xf32>
    %c1 = tensor.collapse_shape %1 [[0, 1]] : tensor<1x16xf32> into tensor<16xf32>
    %2 = linalg.matmul ins(%h, %v : tensor<1x24xf32>, tensor<24x16xf32>) outs(%z : tensor<1x16xf32>) -> tensor<1x16xf32>
    %c2 = tensor.collapse_shape %2 [[0, 1]] : tensor<1x16xf32> into tensor<16xf32>
    %e1 = tensor.empty() : tensor<16xf32>
    %3 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%c1, %c2 : tensor<16xf32>, tensor<16xf32>) outs(%e1 : tensor<16xf32>) {
    ^bb0(%l: f32, %r: f32, %out: f32):
      %s = arith.subf %l, %r : f32
      linalg.yield %s : f32
    } -> tensor<16xf32>
    return %3 : tensor<16xf32>
  }
}

// -----

// What makes a vector of another type of it stays on the vector.
// CHECK-LABEL: module @compared
module @compared {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<20x16xf32>, sym_name = "w", sym_visibility = "private", type = tensor<20x16xf32>}> : () -> ()
  func.func @region_0(%x: tensor<1x20xf32>, %i: tensor<1x16xf32>) -> tensor<1x16xi1> {
    %zero = arith.constant 0.0 : f32
    %w = "util.global.load"() <{global = @w}> : () -> tensor<20x16xf32>
    // CHECK: %[[P:.+]] = "flow.dispatch.workgroups"
    // CHECK: %[[V:.+]] = tensor.collapse_shape %[[P]]
    // CHECK: linalg.generic {{.*}}iterator_types = ["parallel"]} ins(%[[V]] : tensor<16xf32>)
    // CHECK:   arith.cmpf
    %0 = linalg.matmul ins(%x, %w : tensor<1x20xf32>, tensor<20x16xf32>) outs(%i : tensor<1x16xf32>) -> tensor<1x16xf32>
    %e = tensor.empty() : tensor<1x16xi1>
    %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
        ins(%0 : tensor<1x16xf32>) outs(%e : tensor<1x16xi1>) {
    ^bb0(%in: f32, %out: i1):
      %s = arith.cmpf ogt, %in, %zero : f32
      linalg.yield %s : i1
    } -> tensor<1x16xi1>
    return %1 : tensor<1x16xi1>
  }
}
