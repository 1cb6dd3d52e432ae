// RUN: dycl-opt %s --split-input-file --dycl-tile-pixels='vector-bits=256 registers=16' | FileCheck %s

#image = affine_map<(n, h, w, c) -> (n, h, w, c)>
#sum = affine_map<(n, h, w, c) -> (n, c)>
#all = affine_map<(n, c) -> (n, c)>
#channel = affine_map<(n, c) -> (c)>

// 20 channels are two vectors at a time, from 0 and from 4 on; with what follows in the same dispatch, of which another
// tensor has a number a channel.
// CHECK-LABEL: func.func @sum
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x5x4x20xf32>, %[[B:[a-z0-9]+]]: tensor<20xf32>
// CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c2, %[[X]], %[[B]])
// CHECK: %[[IMAGE:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"({{.+}} -> tensor<5x4x20xf32>
// CHECK: %[[BIAS:[0-9]+]] = "iree_tensor_ext.dispatch.tensor.load"({{.+}} -> tensor<20xf32>
// CHECK: scf.for %[[BLOCK:[a-z0-9]+]] = %c0 to %c2
// CHECK:   %[[FIRST:[0-9]+]] = affine.min #{{.+}}(%[[BLOCK]])
// CHECK-DAG: %[[C0:[0-9]+]] = affine.apply #{{.+}}(%[[FIRST]])
// CHECK-DAG: %[[C1:[0-9]+]] = affine.apply #{{.+}}(%[[FIRST]])
// CHECK:   %[[SUMS:[0-9]+]]:2 = scf.for %[[Y:[a-z0-9]+]] = %c0 to %c5
// CHECK:     scf.for %[[W:[a-z0-9]+]] = %c0 to %c4 step %{{[a-z0-9_]+}} iter_args(%[[S0:[a-z0-9]+]] = %{{.+}}, %[[S1:[a-z0-9]+]] = %{{.+}})
// CHECK:       %[[A0:[0-9]+]] = vector.transfer_read %[[IMAGE]][%[[Y]], %[[W]], %[[C0]]], {{.+}} vector<8xf32>
// CHECK:       arith.addf %[[S0]], %[[A0]]
// CHECK:       %[[A1:[0-9]+]] = vector.transfer_read %[[IMAGE]][%[[Y]], %[[W]], %[[C1]]]
// CHECK:       arith.addf %[[S1]], %[[A1]]
// CHECK:   %[[B0:[0-9]+]] = vector.transfer_read %[[BIAS]][%[[C0]]]
// CHECK:   %[[D0:[0-9]+]] = arith.subf %[[SUMS]]#0, %[[B0]]
// CHECK:   vector.transfer_write %[[D0]], %{{[a-z0-9]+}}[%[[C0]]]
// CHECK:   vector.transfer_read %[[BIAS]][%[[C1]]]
// CHECK:   %[[D1:[0-9]+]] = arith.subf %[[SUMS]]#1
// CHECK:   vector.transfer_write %[[D1]], %{{[a-z0-9]+}}[%[[C1]]]
// CHECK: return %[[R]]
func.func @sum(%x: tensor<2x5x4x20xf32>, %b: tensor<20xf32>) -> tensor<2x20xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x20xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x20xf32>) -> tensor<2x20xf32>
  %0 = linalg.generic {indexing_maps = [#image, #sum], iterator_types = ["parallel", "reduction", "reduction", "parallel"]} ins(%x : tensor<2x5x4x20xf32>) outs(%f : tensor<2x20xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<2x20xf32>
  %1 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel"]} ins(%0, %b : tensor<2x20xf32>, tensor<20xf32>) outs(%e : tensor<2x20xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %s = arith.subf %in, %bias : f32
    linalg.yield %s : f32
  } -> tensor<2x20xf32>
  return %1 : tensor<2x20xf32>
}

// -----

#image = affine_map<(n, h, w, c) -> (n, h, w, c)>
#sum = affine_map<(n, h, w, c) -> (n, c, 0, 0)>

// Dimensions of 1 are kept. The division by a number is in the dispatch.
// CHECK-LABEL: func.func @kept
// CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(
// CHECK: %[[MEAN:[0-9]+]] = arith.divf %{{.+}} : vector<3xf32>
// CHECK: "iree_tensor_ext.dispatch.tensor.store"{{.+}} static_sizes = array<i64: 1, 3, 1, 1>
// CHECK: return %[[R]]
func.func @kept(%x: tensor<1x5x4x3xf32>) -> tensor<1x3x1x1xf32> {
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 20.0 : f32
  %e = tensor.empty() : tensor<1x3x1x1xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x1x1xf32>) -> tensor<1x3x1x1xf32>
  %0 = linalg.generic {indexing_maps = [#image, #sum], iterator_types = ["parallel", "reduction", "reduction", "parallel"]} ins(%x : tensor<1x5x4x3xf32>) outs(%f : tensor<1x3x1x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<1x3x1x1xf32>
  %1 = linalg.generic {indexing_maps = [#image, #image], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%0 : tensor<1x3x1x1xf32>) outs(%e : tensor<1x3x1x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.divf %in, %count : f32
    linalg.yield %s : f32
  } -> tensor<1x3x1x1xf32>
  return %1 : tensor<1x3x1x1xf32>
}

// -----

#image = affine_map<(n, h, w, c) -> (n, h, w, c)>
#sum = affine_map<(n, h, w, c) -> (n, c)>
#rows = affine_map<(n, h, w, c) -> (n, w, c)>
#loops = affine_map<(n, c, h, w) -> (n, c)>

// Left as they are: a maximum, a sum that starts with another number, one over rows only, and one of nchw.
// CHECK-LABEL: func.func @others
// CHECK-NOT: flow.dispatch.workgroups
// CHECK-COUNT-4: linalg.generic
func.func @others(%x: tensor<2x5x4x8xf32>, %b: tensor<2x8xf32>, %r: tensor<2x4x8xf32>, %t: tensor<2x5xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x4x8xf32>, tensor<2x5xf32>) {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%b : tensor<2x8xf32>) -> tensor<2x8xf32>
  %fr = linalg.fill ins(%zero : f32) outs(%r : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %ft = linalg.fill ins(%zero : f32) outs(%t : tensor<2x5xf32>) -> tensor<2x5xf32>
  %0 = linalg.generic {indexing_maps = [#image, #sum], iterator_types = ["parallel", "reduction", "reduction", "parallel"]} ins(%x : tensor<2x5x4x8xf32>) outs(%f : tensor<2x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.maximumf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<2x8xf32>
  %1 = linalg.generic {indexing_maps = [#image, #sum], iterator_types = ["parallel", "reduction", "reduction", "parallel"]} ins(%x : tensor<2x5x4x8xf32>) outs(%b : tensor<2x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<2x8xf32>
  %2 = linalg.generic {indexing_maps = [#image, #rows], iterator_types = ["parallel", "reduction", "parallel", "parallel"]} ins(%x : tensor<2x5x4x8xf32>) outs(%fr : tensor<2x4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<2x4x8xf32>
  %3 = linalg.generic {indexing_maps = [#image, #loops], iterator_types = ["parallel", "parallel", "reduction", "reduction"]} ins(%x : tensor<2x5x4x8xf32>) outs(%ft : tensor<2x5xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<2x5xf32>
  return %0, %1, %2, %3 : tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x4x8xf32>, tensor<2x5xf32>
}
