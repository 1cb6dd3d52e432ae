// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels='vector-bits=256 registers=16' | FileCheck %s

#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
#row = affine_map<(a, b, c, d) -> (b)>
#column = affine_map<(a, b, c, d) -> (c)>
#rowOfTwo = affine_map<(a, b, c, d) -> (b, 0)>

// Columns, then rows, by two tables of places and two of weights each: one dispatch, which reads the places and weights
// of a row and of a column once for all channels, and adds in the same order. 12 channels are two vectors of 8.
// CHECK-LABEL: func.func @linear
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x5x4x12xf32>, %[[C0:[a-z0-9]+]]: tensor<7xi64>, %[[C1:[a-z0-9]+]]: tensor<7xi64>, %[[U0:[a-z0-9]+]]: tensor<7xf32>, %[[U1:[a-z0-9]+]]: tensor<7xf32>, %[[R0:[a-z0-9]+]]: tensor<3xi64>, %[[R1:[a-z0-9]+]]: tensor<3xi64>, %[[W0:[a-z0-9]+]]: tensor<3x1xf32>, %[[W1:[a-z0-9]+]]: tensor<3x1xf32>
// CHECK-NOT: linalg.generic
// CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c1, %c2, %[[X]], %[[R0]], %[[W0]], %[[R1]], %[[W1]], %[[C0]], %[[U0]], %[[C1]], %[[U1]])
// CHECK-NEXT: ^bb0(%[[XA:[a-z0-9]+]]: !{{[^ ]+}}, %[[R0A:[a-z0-9]+]]: !{{[^ ]+}}, %[[W0A:[a-z0-9]+]]: !{{[^ ]+}}, %[[R1A:[a-z0-9]+]]: !{{[^ ]+}}, %[[W1A:[a-z0-9]+]]: !{{[^ ]+}}, %[[C0A:[a-z0-9]+]]: !{{[^ ]+}}, %[[U0A:[a-z0-9]+]]: !{{[^ ]+}}, %[[C1A:[a-z0-9]+]]: !{{[^ ]+}}, %[[U1A:[a-z0-9]+]]: !{{[^ ]+}}, %{{.+}}):
// CHECK: %[[IMAGE:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[XA]], {{.+}} -> tensor<5x4x12xf32>
// CHECK: %[[R0T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[R0A]]
// CHECK: %[[W0T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[W0A]]
// CHECK: %[[R1T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[R1A]]
// CHECK: %[[W1T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[W1A]]
// CHECK: %[[C0T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[C0A]]
// CHECK: %[[U0T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[U0A]]
// CHECK: %[[C1T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[C1A]]
// CHECK: %[[U1T:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[U1A]]
// CHECK: scf.for
// CHECK:   %[[I:.+]] = tensor.extract %[[R0T]][%[[ROW:[0-9]+]]] : tensor<3xi64>
// CHECK:   %[[TOP:.+]] = arith.index_cast %[[I]]
// CHECK:   %[[N:.+]] = tensor.extract %[[W0T]][%[[ROW]], %c0] : tensor<3x1xf32>
// CHECK:   %[[WT:.+]] = vector.broadcast %[[N]] : f32 to vector<8xf32>
// CHECK:   tensor.extract %[[R1T]][%[[ROW]]]
// CHECK:   %[[BOTTOM:.+]] = arith.index_cast
// CHECK:   tensor.extract %[[W1T]][%[[ROW]], %c0]
// CHECK:   %[[WB:.+]] = vector.broadcast
// CHECK:   scf.for %[[COLUMN:[a-z0-9]+]] = %c0 to %c7
// CHECK:     tensor.extract %[[C0T]][%[[COLUMN]]]
// CHECK:     %[[LEFT:.+]] = arith.index_cast
// CHECK:     tensor.extract %[[U0T]][%[[COLUMN]]]
// CHECK:     %[[WL:.+]] = vector.broadcast
// CHECK:     tensor.extract %[[C1T]][%[[COLUMN]]]
// CHECK:     %[[RIGHT:.+]] = arith.index_cast
// CHECK:     tensor.extract %[[U1T]][%[[COLUMN]]]
// CHECK:     %[[WR:.+]] = vector.broadcast
// CHECK:     scf.for %{{.+}} to %c2
// CHECK:       %[[C:.+]] = affine.min
// CHECK:       %[[A:.+]] = vector.transfer_read %[[IMAGE]][%[[TOP]], %[[LEFT]], %[[C]]]
// CHECK:       %[[AL:.+]] = arith.mulf %[[A]], %[[WL]]
// CHECK:       %[[B:.+]] = vector.transfer_read %[[IMAGE]][%[[TOP]], %[[RIGHT]], %[[C]]]
// CHECK:       %[[AB:.+]] = vector.fma %[[B]], %[[WR]], %[[AL]]
// CHECK:       %[[FIRST:.+]] = arith.mulf %[[AB]], %[[WT]]
// CHECK:       vector.transfer_read %[[IMAGE]][%[[BOTTOM]], %[[LEFT]], %[[C]]]
// CHECK:       vector.transfer_read %[[IMAGE]][%[[BOTTOM]], %[[RIGHT]], %[[C]]]
// CHECK:       %[[CD:.+]] = vector.fma
// CHECK:       vector.fma %[[CD]], %[[WB]], %[[FIRST]]
// CHECK-NOT:   vector.transfer_read
// CHECK: return %[[R]]
func.func @linear(%x: tensor<2x5x4x12xf32>, %c0: tensor<7xi64>, %c1: tensor<7xi64>, %u0: tensor<7xf32>, %u1: tensor<7xf32>, %r0: tensor<3xi64>, %r1: tensor<3xi64>, %w0: tensor<3x1xf32>, %w1: tensor<3x1xf32>) -> tensor<2x3x7x12xf32> {
  %g0_e = tensor.empty() : tensor<2x5x7x12xf32>
  %g0 = linalg.generic {indexing_maps = [#column, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%c0 : tensor<7xi64>) outs(%g0_e : tensor<2x5x7x12xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = arith.index_cast %in : i64 to index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %x[%i0, %i1, %i2, %i3] : tensor<2x5x4x12xf32>
    linalg.yield %v : f32
  } -> tensor<2x5x7x12xf32>
  %m0_e = tensor.empty() : tensor<2x5x7x12xf32>
  %m0 = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%g0, %u0 : tensor<2x5x7x12xf32>, tensor<7xf32>) outs(%m0_e : tensor<2x5x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.mulf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x5x7x12xf32>
  %g1_e = tensor.empty() : tensor<2x5x7x12xf32>
  %g1 = linalg.generic {indexing_maps = [#column, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%c1 : tensor<7xi64>) outs(%g1_e : tensor<2x5x7x12xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = arith.index_cast %in : i64 to index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %x[%i0, %i1, %i2, %i3] : tensor<2x5x4x12xf32>
    linalg.yield %v : f32
  } -> tensor<2x5x7x12xf32>
  %m1_e = tensor.empty() : tensor<2x5x7x12xf32>
  %m1 = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%g1, %u1 : tensor<2x5x7x12xf32>, tensor<7xf32>) outs(%m1_e : tensor<2x5x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.mulf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x5x7x12xf32>
  %s_e = tensor.empty() : tensor<2x5x7x12xf32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%m0, %m1 : tensor<2x5x7x12xf32>, tensor<2x5x7x12xf32>) outs(%s_e : tensor<2x5x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.addf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x5x7x12xf32>
  %h0_e = tensor.empty() : tensor<2x3x7x12xf32>
  %h0 = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%r0 : tensor<3xi64>) outs(%h0_e : tensor<2x3x7x12xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %s[%i0, %i1, %i2, %i3] : tensor<2x5x7x12xf32>
    linalg.yield %v : f32
  } -> tensor<2x3x7x12xf32>
  %k0_e = tensor.empty() : tensor<2x3x7x12xf32>
  %k0 = linalg.generic {indexing_maps = [#id, #rowOfTwo, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%h0, %w0 : tensor<2x3x7x12xf32>, tensor<3x1xf32>) outs(%k0_e : tensor<2x3x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.mulf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x3x7x12xf32>
  %h1_e = tensor.empty() : tensor<2x3x7x12xf32>
  %h1 = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%r1 : tensor<3xi64>) outs(%h1_e : tensor<2x3x7x12xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %s[%i0, %i1, %i2, %i3] : tensor<2x5x7x12xf32>
    linalg.yield %v : f32
  } -> tensor<2x3x7x12xf32>
  %k1_e = tensor.empty() : tensor<2x3x7x12xf32>
  %k1 = linalg.generic {indexing_maps = [#id, #rowOfTwo, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%h1, %w1 : tensor<2x3x7x12xf32>, tensor<3x1xf32>) outs(%k1_e : tensor<2x3x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.mulf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x3x7x12xf32>
  %t_e = tensor.empty() : tensor<2x3x7x12xf32>
  %t = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%k0, %k1 : tensor<2x3x7x12xf32>, tensor<2x3x7x12xf32>) outs(%t_e : tensor<2x3x7x12xf32>) {
  ^bb0(%x0: f32, %x1: f32, %out: f32):
    %v = arith.addf %x0, %x1 : f32
    linalg.yield %v : f32
  } -> tensor<2x3x7x12xf32>
  return %t : tensor<2x3x7x12xf32>
}

// -----

#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
#row = affine_map<(a, b, c, d) -> (b)>
#column = affine_map<(a, b, c, d) -> (c)>

// Without weights values are copied. The image of more rows is a result too, and so is a dispatch of its own.
// CHECK-LABEL: func.func @nearest
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<1x5x4x8xf32>, %[[RT:[a-z0-9]+]]: tensor<10xi64>, %[[CT:[a-z0-9]+]]: tensor<9xi64>
// CHECK: %[[ROWS:[0-9]+]] = "flow.dispatch.workgroups"(%{{.+}}, %{{.+}}, %[[X]], %[[RT]])
// CHECK: %[[BOTH:[0-9]+]] = "flow.dispatch.workgroups"(%{{.+}}, %{{.+}}, %[[ROWS]], %[[CT]])
// CHECK: return %[[ROWS]], %[[BOTH]]
func.func @nearest(%x: tensor<1x5x4x8xf32>, %r: tensor<10xi64>, %c: tensor<9xi64>) -> (tensor<1x10x4x8xf32>, tensor<1x10x9x8xf32>) {
  %g_e = tensor.empty() : tensor<1x10x4x8xf32>
  %g = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%r : tensor<10xi64>) outs(%g_e : tensor<1x10x4x8xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %x[%i0, %i1, %i2, %i3] : tensor<1x5x4x8xf32>
    linalg.yield %v : f32
  } -> tensor<1x10x4x8xf32>
  %h_e = tensor.empty() : tensor<1x10x9x8xf32>
  %h = linalg.generic {indexing_maps = [#column, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%c : tensor<9xi64>) outs(%h_e : tensor<1x10x9x8xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = arith.index_cast %in : i64 to index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %g[%i0, %i1, %i2, %i3] : tensor<1x10x4x8xf32>
    linalg.yield %v : f32
  } -> tensor<1x10x9x8xf32>
  return %g, %h : tensor<1x10x4x8xf32>, tensor<1x10x9x8xf32>
}

// -----

#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
#row = affine_map<(a, b, c, d) -> (b)>
#channel = affine_map<(a, b, c, d) -> (d)>

// Left as they are: f64, a dynamic size, channels that are chosen, and a diagonal.
// CHECK-LABEL: func.func @others
// CHECK-NOT: flow.dispatch.workgroups
// CHECK-COUNT-4: linalg.generic
func.func @others(%d: tensor<1x5x4x8xf64>, %y: tensor<?x5x4x8xf32>, %x: tensor<1x5x4x8xf32>, %q: tensor<1x4x4x8xf32>, %ed: tensor<1x10x4x8xf64>, %ey: tensor<?x10x4x8xf32>, %r: tensor<10xi64>, %c: tensor<6xi64>, %s: tensor<4xi64>) -> (tensor<1x10x4x8xf64>, tensor<?x10x4x8xf32>, tensor<1x5x4x6xf32>, tensor<1x4x4x8xf32>) {
  %0 = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%r : tensor<10xi64>) outs(%ed : tensor<1x10x4x8xf64>) {
  ^bb0(%in: i64, %out: f64):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %d[%i0, %i1, %i2, %i3] : tensor<1x5x4x8xf64>
    linalg.yield %v : f64
  } -> tensor<1x10x4x8xf64>
  %1 = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%r : tensor<10xi64>) outs(%ey : tensor<?x10x4x8xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %y[%i0, %i1, %i2, %i3] : tensor<?x5x4x8xf32>
    linalg.yield %v : f32
  } -> tensor<?x10x4x8xf32>
  %e2 = tensor.empty() : tensor<1x5x4x6xf32>
  %2 = linalg.generic {indexing_maps = [#channel, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%c : tensor<6xi64>) outs(%e2 : tensor<1x5x4x6xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = linalg.index 1 : index
    %i2 = linalg.index 2 : index
    %i3 = arith.index_cast %in : i64 to index
    %v = tensor.extract %x[%i0, %i1, %i2, %i3] : tensor<1x5x4x8xf32>
    linalg.yield %v : f32
  } -> tensor<1x5x4x6xf32>
  %e3 = tensor.empty() : tensor<1x4x4x8xf32>
  %3 = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%s : tensor<4xi64>) outs(%e3 : tensor<1x4x4x8xf32>) {
  ^bb0(%in: i64, %out: f32):
    %i0 = linalg.index 0 : index
    %i1 = arith.index_cast %in : i64 to index
    %i2 = linalg.index 2 : index
    %i3 = linalg.index 3 : index
    %v = tensor.extract %q[%i0, %i1, %i1, %i3] : tensor<1x4x4x8xf32>
    linalg.yield %v : f32
  } -> tensor<1x4x4x8xf32>
  return %0, %1, %2, %3 : tensor<1x10x4x8xf64>, tensor<?x10x4x8xf32>, tensor<1x5x4x6xf32>, tensor<1x4x4x8xf32>
}
