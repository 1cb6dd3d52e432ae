// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels='vector-bits=256 registers=16' | FileCheck %s
// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels='vector-bits=512 registers=32' | FileCheck %s --check-prefix=WIDE
// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels='vector-bits=128 registers=32' | FileCheck %s --check-prefix=ARM
// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels | FileCheck %s --check-prefix=NONE

// The image is read without its border: where a window is beyond it, another pixel of the window is read, at the top
// the one two rows, or three columns, further down. 20 channels are three vectors of 8, of which the last is shifted
// back, or two of 16. The activation is computed in the dispatch, and the border of the next convolution stored.
// CHECK-DAG: #[[$FIRST_ROW:.+]] = affine_map<(d0) -> (d0 * 2 - 2, 0)>
// CHECK-DAG: #[[$FIRST_COLUMN:.+]] = affine_map<(d0) -> (d0 * 2 - 2, (d0 * 2 - 2) mod 3)>
// CHECK-DAG: #[[$LAST_COLUMN:.+]] = affine_map<(d0) -> (d0, -((-d0 + 7) mod 3) + 7)>
// CHECK-DAG: #[[$VECTOR:.+]] = affine_map<(d0) -> (d0 * 8, 12)>
// CHECK-LABEL: func.func @maximum
// CHECK-SAME:    %[[X:.+]]: tensor<2x9x8x20xf32>
// NONE-LABEL: func.func @maximum
// NONE: tensor.pad
// NONE: linalg.pooling_nhwc_max
func.func @maximum(%x: tensor<2x9x8x20xf32>) -> tensor<2x7x5x20xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  // CHECK-NOT: pad
  // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c1, %c2{{[_0-9]*}}, %[[X]])
  // CHECK-NEXT: ^bb0(%[[XA:.+]]: !{{.+}}, %[[OUT:.+]]: !iree_tensor_ext.dispatch.tensor<writeonly:tensor<2x7x5x20xf32>>):
  // CHECK:     %[[NAN:.+]] = arith.constant dense<0x7FC00000> : vector<8xf32>
  // CHECK:     %[[IMAGE:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[XA]], %{{.+}}) {{.+}} -> tensor<9x8x20xf32>
  // CHECK:     scf.for
  // CHECK-DAG:   %[[TOP:.+]] = affine.max #[[$FIRST_ROW]](%[[Y:.+]])
  // CHECK-DAG:   %[[BOTTOM:.+]] = affine.apply #{{.+}}(%[[Y]])
  // CHECK:       scf.for %[[COLUMN:[a-z0-9]+]] =
  // CHECK-DAG:     %[[LEFT:.+]] = affine.max #[[$FIRST_COLUMN]](%[[COLUMN]])
  // CHECK-DAG:     %[[PLACE:.+]] = affine.apply #{{.+}}(%[[COLUMN]])
  // CHECK-DAG:     %[[RIGHT:.+]] = affine.min #[[$LAST_COLUMN]](%[[PLACE]])
  // CHECK:         scf.for %[[V:[a-z0-9]+]] = %{{.+}} to %c3
  // CHECK:           %[[C:.+]] = affine.min #[[$VECTOR]](%[[V]])
  // CHECK:           %[[A0:.+]] = vector.transfer_read %[[IMAGE]][%[[TOP]], %[[LEFT]], %[[C]]], {{.+}} vector<8xf32>
  // CHECK:           %[[A1:.+]] = vector.transfer_read %[[IMAGE]][%[[TOP]], %[[RIGHT]], %[[C]]]
  // CHECK:           %[[A2:.+]] = vector.transfer_read %[[IMAGE]][%[[BOTTOM]], %[[LEFT]], %[[C]]]
  // CHECK:           %[[A3:.+]] = vector.transfer_read %[[IMAGE]][%[[BOTTOM]], %[[RIGHT]], %[[C]]]
  // CHECK-NEXT:      %[[N0:.+]] = arith.cmpf uno, %[[A0]], %[[A1]]
  // CHECK-NEXT:      %[[N1:.+]] = arith.cmpf uno, %[[A2]], %[[A3]]
  // CHECK-NEXT:      %[[N:.+]] = arith.ori %[[N0]], %[[N1]]
  // CHECK-NEXT:      %[[L1:.+]] = arith.cmpf ogt, %[[A1]], %[[A0]]
  // CHECK-NEXT:      %[[M1:.+]] = arith.select %[[L1]], %[[A1]], %[[A0]]
  // CHECK-NEXT:      arith.cmpf ogt, %[[A2]], %[[M1]]
  // CHECK:           %[[L3:.+]] = arith.cmpf ogt, %[[A3]], %[[M2:.+]] :
  // CHECK-NEXT:      %[[M3:.+]] = arith.select %[[L3]], %[[A3]], %[[M2]]
  // CHECK-NEXT:      %[[M:.+]] = arith.select %[[N]], %[[NAN]], %[[M3]]
  // CHECK:           %[[LAST:.+]] = arith.subf %[[M]]
  // CHECK:           vector.transfer_write %[[LAST]]
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"
  // CHECK-SAME: static_offsets = array<i64: -9223372036854775808, 1, 0, 0>, static_sizes = array<i64: 1, 5, 5, 20>
  // CHECK: return %[[R]]
  // ARM-LABEL: func.func @maximum
  // ARM: scf.for %{{[a-z0-9]+}} = %{{.+}} to %c5{{.*}} {
  // ARM: %[[A:.+]] = vector.transfer_read {{.+}} vector<4xf32>
  // ARM-NOT: arith.cmpf
  // ARM-COUNT-3: arith.maximumf {{.+}} fastmath<nsz> : vector<4xf32>
  // WIDE-LABEL: func.func @maximum
  // WIDE: scf.for %{{.+}} to %c2
  // WIDE: vector<16xf32>
  %p = tensor.pad %x low[0, 2, 2, 0] high[0, 0, 2, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %lowest : f32
  } : tensor<2x9x8x20xf32> to tensor<2x11x12x20xf32>
  %w = tensor.empty() : tensor<2x2xf32>
  %e = tensor.empty() : tensor<2x5x5x20xf32>
  %f = linalg.fill ins(%lowest : f32) outs(%e : tensor<2x5x5x20xf32>) -> tensor<2x5x5x20xf32>
  %0 = linalg.pooling_nhwc_max {dilations = dense<[2, 3]> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%p, %w : tensor<2x11x12x20xf32>, tensor<2x2xf32>) outs(%f : tensor<2x5x5x20xf32>) -> tensor<2x5x5x20xf32>
  %half = arith.constant 0.5 : f32
  %1 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%0 : tensor<2x5x5x20xf32>) outs(%e : tensor<2x5x5x20xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.subf %in, %half : f32
    linalg.yield %s : f32
  } -> tensor<2x5x5x20xf32>
  %2 = tensor.pad %1 low[0, 1, 0, 0] high[0, 1, 0, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<2x5x5x20xf32> to tensor<2x7x5x20xf32>
  return %2 : tensor<2x7x5x20xf32>
}

// -----

// Beyond the image nothing is added: the middle of a window needs no test. Three channels are a vector of three.
// CHECK-LABEL: func.func @sum
// CHECK: "flow.dispatch.workgroups"(%c2, %c1{{[_0-9]*}}, %{{.+}})
// CHECK: %[[IS_ROW:[0-9]+]] = arith.cmpi ult, %{{.+}}, %c8
// CHECK: scf.for
// CHECK:   %[[IS_COLUMN:[0-9]+]] = arith.cmpi ult, %{{.+}}, %c6
// CHECK:   scf.for %{{.+}} to %c1
// CHECK:     %[[C0:[0-9]+]] = vector.transfer_read %[[IMAGE:[a-z0-9]+]][%{{[0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}}]
// CHECK-NEXT: %[[BOTH:[0-9]+]] = arith.andi %[[IS_ROW]], %[[IS_COLUMN]]
// CHECK-NEXT: %[[S0:[0-9]+]] = arith.select %[[BOTH]], %[[C0]], %{{.+}} : vector<3xf32>
// CHECK-NEXT: %[[C1:[0-9]+]] = vector.transfer_read %[[IMAGE]][%{{[0-9]+}}, %[[CENTRE:[0-9]+]],
// CHECK-NEXT: %[[S1:[0-9]+]] = arith.select %[[IS_ROW]], %[[C1]]
// CHECK:     %[[C4:[0-9]+]] = vector.transfer_read %[[IMAGE]][%{{[0-9]+}}, %[[CENTRE]],
// CHECK-NEXT: vector.transfer_read
// CHECK:     %[[A1:[0-9]+]] = arith.addf %[[S0]], %[[S1]]
// CHECK-NEXT: %[[A2:[0-9]+]] = arith.addf %[[A1]]
// CHECK-NEXT: %[[A3:[0-9]+]] = arith.addf %[[A2]]
// CHECK-NEXT: arith.addf %[[A3]], %[[C4]]
// CHECK-COUNT-4: arith.addf
// CHECK: vector.transfer_write
func.func @sum(%x: tensor<1x8x6x3xf32>) -> tensor<1x8x6x3xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x8x6x3xf32> to tensor<1x10x8x3xf32>
  %w = tensor.empty() : tensor<3x3xf32>
  %e = tensor.empty() : tensor<1x8x6x3xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x8x6x3xf32>) -> tensor<1x8x6x3xf32>
  %0 = linalg.pooling_nhwc_sum {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%p, %w : tensor<1x10x8x3xf32>, tensor<3x3xf32>) outs(%f : tensor<1x8x6x3xf32>) -> tensor<1x8x6x3xf32>
  return %0 : tensor<1x8x6x3xf32>
}

// -----

// A window of 48 pixels is two loops.
// CHECK-LABEL: func.func @loops
// CHECK: "flow.dispatch.workgroups"
// CHECK: %[[LOWEST:.+]] = arith.constant dense<0xFF800000> : vector<8xf32>
// CHECK: scf.for %{{.+}} to %c6{{.*}} iter_args(%{{.+}} = %[[LOWEST]]) -> (vector<8xf32>)
// CHECK:   scf.for %{{.+}} to %c8{{.*}} -> (vector<8xf32>)
// CHECK: vector.transfer_read
// CHECK-NOT: vector.transfer_read
func.func @loops(%x: tensor<1x6x8x8xf32>) -> tensor<1x1x1x8xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %w = tensor.empty() : tensor<6x8xf32>
  %e = tensor.empty() : tensor<1x1x1x8xf32>
  %f = linalg.fill ins(%lowest : f32) outs(%e : tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  %0 = linalg.pooling_nhwc_max {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%x, %w : tensor<1x6x8x8xf32>, tensor<6x8xf32>) outs(%f : tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
  return %0 : tensor<1x1x1x8xf32>
}

// -----

// Left as they are: f64, a dynamic size, nchw, a minimum, a window that starts with another number, and one that is all
// border, where the result is that of the border.
// CHECK-LABEL: func.func @others
// CHECK-NOT: flow.dispatch.workgroups
// CHECK: linalg.pooling_nhwc_max {{.+}} tensor<1x8x8x8xf64>
// CHECK: linalg.pooling_nhwc_max {{.+}} tensor<?x8x8x8xf32>
// CHECK: linalg.pooling_nchw_max
// CHECK: linalg.pooling_nhwc_min
// CHECK: linalg.pooling_nhwc_sum
// CHECK: linalg.pooling_nhwc_max {{.+}} tensor<1x11x8x8xf32>
func.func @others(%d: tensor<1x8x8x8xf64>, %n: tensor<?x8x8x8xf32>, %x: tensor<1x8x8x8xf32>, %fd: tensor<1x7x7x8xf64>, %fn: tensor<?x7x7x8xf32>, %bias: tensor<1x7x7x8xf32>)
    -> (tensor<1x7x7x8xf64>, tensor<?x7x7x8xf32>, tensor<1x8x7x7xf32>, tensor<1x7x7x8xf32>, tensor<1x7x7x8xf32>, tensor<1x10x7x8xf32>) {
  %lowest = arith.constant 0xFF800000 : f32
  %lowest64 = arith.constant 0xFFF0000000000000 : f64
  %highest = arith.constant 0x7F800000 : f32
  %w = tensor.empty() : tensor<2x2xf32>
  %w64 = tensor.empty() : tensor<2x2xf64>
  %e = tensor.empty() : tensor<1x7x7x8xf32>
  %i64 = linalg.fill ins(%lowest64 : f64) outs(%fd : tensor<1x7x7x8xf64>) -> tensor<1x7x7x8xf64>
  %in = linalg.fill ins(%lowest : f32) outs(%fn : tensor<?x7x7x8xf32>) -> tensor<?x7x7x8xf32>
  %imin = linalg.fill ins(%highest : f32) outs(%e : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  %enchw = tensor.empty() : tensor<1x8x7x7xf32>
  %inchw = linalg.fill ins(%lowest : f32) outs(%enchw : tensor<1x8x7x7xf32>) -> tensor<1x8x7x7xf32>
  %ewide = tensor.empty() : tensor<1x10x7x8xf32>
  %iwide = linalg.fill ins(%lowest : f32) outs(%ewide : tensor<1x10x7x8xf32>) -> tensor<1x10x7x8xf32>
  %p = tensor.pad %x low[0, 3, 0, 0] high[0, 0, 0, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %lowest : f32
  } : tensor<1x8x8x8xf32> to tensor<1x11x8x8xf32>
  %0 = linalg.pooling_nhwc_max ins(%d, %w64 : tensor<1x8x8x8xf64>, tensor<2x2xf64>) outs(%i64 : tensor<1x7x7x8xf64>) -> tensor<1x7x7x8xf64>
  %1 = linalg.pooling_nhwc_max ins(%n, %w : tensor<?x8x8x8xf32>, tensor<2x2xf32>) outs(%in : tensor<?x7x7x8xf32>) -> tensor<?x7x7x8xf32>
  %2 = linalg.pooling_nchw_max ins(%x, %w : tensor<1x8x8x8xf32>, tensor<2x2xf32>) outs(%inchw : tensor<1x8x7x7xf32>) -> tensor<1x8x7x7xf32>
  %3 = linalg.pooling_nhwc_min ins(%x, %w : tensor<1x8x8x8xf32>, tensor<2x2xf32>) outs(%imin : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  %4 = linalg.pooling_nhwc_sum ins(%x, %w : tensor<1x8x8x8xf32>, tensor<2x2xf32>) outs(%bias : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  %5 = linalg.pooling_nhwc_max ins(%p, %w : tensor<1x11x8x8xf32>, tensor<2x2xf32>) outs(%iwide : tensor<1x10x7x8xf32>) -> tensor<1x10x7x8xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<1x7x7x8xf64>, tensor<?x7x7x8xf32>, tensor<1x8x7x7xf32>, tensor<1x7x7x8xf32>, tensor<1x7x7x8xf32>, tensor<1x10x7x8xf32>
}
