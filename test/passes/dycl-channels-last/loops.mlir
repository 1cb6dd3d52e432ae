// RUN: dycl-opt %s --dycl-channels-last --canonicalize --cse | FileCheck %s

// What a loop carries from convolution to convolution stays nhwc: one transposition before it, one behind.
#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// CHECK-LABEL: func.func @rotated
// CHECK-SAME:    %[[P:[^:]+]]: i1, %[[X:[^:]+]]: tensor<1x4x6x5xf32>
func.func @rotated(%p: i1, %x: tensor<1x4x6x5xf32>, %w: tensor<4x4x1x1xf32>, %init: tensor<1x4x6x5xf32>, %k: tensor<1x4x6x5xf32>) -> (tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>) {
  // CHECK: %[[XT:.+]] = linalg.transpose ins(%[[X]] : {{.*}} permutation = [0, 2, 3, 1]
  // The second is not read by a convolution.
  // CHECK: %[[R:.+]]:2 = scf.while (%{{.+}} = %[[P]], %[[A:.+]] = %[[XT]], %{{.+}} = %{{.+}}) : (i1, tensor<1x6x5x4xf32>, tensor<1x4x6x5xf32>)
  // CHECK-SAME:  -> (tensor<1x6x5x4xf32>, tensor<1x4x6x5xf32>)
  %0:2 = scf.while (%c = %p, %h = %x, %l = %k) : (i1, tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>) -> (tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>) {
    scf.condition(%c) %h, %l : tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
  } do {
  // CHECK: } do {
  // CHECK: ^bb0(%[[H:.+]]: tensor<1x6x5x4xf32>, %[[L:.+]]: tensor<1x4x6x5xf32>):
  // CHECK-NOT: linalg.transpose ins(%[[H]]
  // CHECK:   %[[G:.+]] = linalg.generic {{.*}} ins(%[[H]] : tensor<1x6x5x4xf32>)
  // CHECK:   %[[C:.+]] = linalg.conv_2d_nhwc_hwcf {{.*}} ins(%[[G]],
  // CHECK:   %[[M:.+]] = func.call @next(%[[L]])
  // CHECK:   scf.yield %{{.+}}, %[[C]], %[[M]] :
  ^bb0(%h: tensor<1x4x6x5xf32>, %l: tensor<1x4x6x5xf32>):
    %e = tensor.empty() : tensor<1x4x6x5xf32>
    %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
        ins(%h : tensor<1x4x6x5xf32>) outs(%e : tensor<1x4x6x5xf32>) {
    ^bb0(%in: f32, %out: f32):
      %3 = math.exp %in : f32
      linalg.yield %3 : f32
    } -> tensor<1x4x6x5xf32>
    %2 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%1, %w : tensor<1x4x6x5xf32>, tensor<4x4x1x1xf32>) outs(%init : tensor<1x4x6x5xf32>) -> tensor<1x4x6x5xf32>
    %i0 = arith.constant 0 : index
    %v = tensor.extract %2[%i0, %i0, %i0, %i0] : tensor<1x4x6x5xf32>
    %f0 = arith.constant 0.0 : f32
    %n = arith.cmpf olt, %v, %f0 : f32
    %m = func.call @next(%l) : (tensor<1x4x6x5xf32>) -> tensor<1x4x6x5xf32>
    scf.yield %n, %2, %m : i1, tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
  }
  // CHECK: %[[N:.+]] = linalg.transpose ins(%[[R]]#0 : {{.*}} permutation = [0, 3, 1, 2]
  // CHECK: return %[[N]], %[[R]]#1
  return %0#0, %0#1 : tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
}
func.func private @next(tensor<1x4x6x5xf32>) -> tensor<1x4x6x5xf32>

// The condition computes, too, and sizes are asked for: the channels, which are the last dimension now.
// CHECK-LABEL: func.func @condition
func.func @condition(%x: tensor<1x?x6x5xf32>, %w: tensor<?x?x1x1xf32>, %init: tensor<1x?x6x5xf32>) -> tensor<1x?x6x5xf32> {
  // CHECK: %[[THREE:.+]] = arith.constant 3 : index
  // CHECK: scf.while (%[[B:.+]] = %{{.+}}) : (tensor<1x6x5x?xf32>) -> tensor<1x6x5x?xf32> {
  // CHECK: scf.condition(%{{.+}}) %[[B]] : tensor<1x6x5x?xf32>
  // CHECK: ^bb0(%[[H:.+]]: tensor<1x6x5x?xf32>):
  // CHECK: tensor.dim %[[H]], %[[THREE]]
  // CHECK: linalg.conv_2d_nhwc_hwcf {{.*}} ins(%[[H]],
  %0 = scf.while (%h = %x) : (tensor<1x?x6x5xf32>) -> tensor<1x?x6x5xf32> {
    %i0 = arith.constant 0 : index
    %v = tensor.extract %h[%i0, %i0, %i0, %i0] : tensor<1x?x6x5xf32>
    %f0 = arith.constant 0.0 : f32
    %c = arith.cmpf olt, %v, %f0 : f32
    scf.condition(%c) %h : tensor<1x?x6x5xf32>
  } do {
  ^bb0(%h: tensor<1x?x6x5xf32>):
    %i1 = arith.constant 1 : index
    %d = tensor.dim %h, %i1 : tensor<1x?x6x5xf32>
    func.call @use(%d) : (index) -> ()
    %2 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
        ins(%h, %w : tensor<1x?x6x5xf32>, tensor<?x?x1x1xf32>) outs(%init : tensor<1x?x6x5xf32>) -> tensor<1x?x6x5xf32>
    scf.yield %2 : tensor<1x?x6x5xf32>
  }
  return %0 : tensor<1x?x6x5xf32>
}
func.func private @use(index)

// Nothing reads it as nhwc: it stays, and so does what turns the dimensions round and round.
// CHECK-LABEL: func.func @turned
func.func @turned(%x: tensor<1x4x4x4xf32>, %y: tensor<1x6x5x4xf32>, %z: tensor<1x4x6x5xf32>) -> (tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>) {
  // CHECK-NOT: [0, 2, 3, 1]
  // CHECK: scf.while {{.*}} : (tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>) -> (tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>)
  // CHECK-NOT: [0, 2, 3, 1]
  %0:2 = scf.while (%h = %x, %l = %z) : (tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>) -> (tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>) {
    %i0 = arith.constant 0 : index
    %v = tensor.extract %h[%i0, %i0, %i0, %i0] : tensor<1x4x4x4xf32>
    %f0 = arith.constant 0.0 : f32
    %c = arith.cmpf olt, %v, %f0 : f32
    scf.condition(%c) %h, %l : tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>
  } do {
  ^bb0(%h: tensor<1x4x4x4xf32>, %l: tensor<1x4x6x5xf32>):
    %e = tensor.empty() : tensor<1x4x4x4xf32>
    %t = linalg.transpose ins(%h : tensor<1x4x4x4xf32>) outs(%e : tensor<1x4x4x4xf32>) permutation = [0, 3, 1, 2]
    %f = tensor.empty() : tensor<1x4x6x5xf32>
    %u = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%f : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
    scf.yield %t, %u : tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>
  }
  return %0#0, %0#1 : tensor<1x4x4x4xf32>, tensor<1x4x6x5xf32>
}
