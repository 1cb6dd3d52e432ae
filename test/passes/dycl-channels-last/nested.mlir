// RUN: dycl-opt %s --dycl-channels-last --canonicalize --cse | FileCheck %s

// What both sides of branches give leaves them as nhwc, also through a branch in a branch: a skipped block costs no
// transposition. The second result, of which no side is nhwc, stays as it is.
// CHECK-LABEL: func.func @skips
// CHECK-SAME:    %[[Y:.+]]: tensor<1x6x5x4xf32>, %[[S:.+]]: tensor<1x4x6x5xf32>, %[[P:.+]]: i1, %[[Q:.+]]: i1
func.func @skips(%y: tensor<1x6x5x4xf32>, %s: tensor<1x4x6x5xf32>, %p: i1, %q: i1)
    -> (tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>) {
  %e = tensor.empty() : tensor<1x4x6x5xf32>
  %x = linalg.transpose ins(%y : tensor<1x6x5x4xf32>) outs(%e : tensor<1x4x6x5xf32>) permutation = [0, 3, 1, 2]
  // CHECK-NOT: linalg.transpose
  // CHECK: %[[R:.+]]:2 = scf.if %[[P]] -> (tensor<1x6x5x4xf32>, tensor<1x4x6x5xf32>)
  %0:2 = scf.if %p -> (tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>) {
    // CHECK: %[[I:.+]] = scf.if %[[Q]] -> (tensor<1x6x5x4xf32>)
    %1 = scf.if %q -> (tensor<1x4x6x5xf32>) {
      // CHECK: %[[E:.+]] = linalg.generic {{.*}} ins(%[[Y]] : tensor<1x6x5x4xf32>)
      %2 = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
                           iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
          ins(%x : tensor<1x4x6x5xf32>) outs(%e : tensor<1x4x6x5xf32>) {
      ^bb0(%in: f32, %out: f32):
        %3 = math.exp %in : f32
        linalg.yield %3 : f32
      } -> tensor<1x4x6x5xf32>
      // CHECK: scf.yield %[[E]]
      scf.yield %2 : tensor<1x4x6x5xf32>
    } else {
      // CHECK: scf.yield %[[Y]]
      scf.yield %x : tensor<1x4x6x5xf32>
    }
    // CHECK: scf.yield %[[I]], %[[S]]
    scf.yield %1, %s : tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
  } else {
    // CHECK: %[[Z:.+]] = math.absf %[[S]]
    %4 = math.absf %s : tensor<1x4x6x5xf32>
    // CHECK: scf.yield %[[Y]], %[[Z]]
    scf.yield %x, %4 : tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
  }
  // CHECK: %[[T:.+]] = linalg.transpose ins(%[[R]]#0 : {{.*}} permutation = [0, 3, 1, 2]
  // CHECK: return %[[T]], %[[R]]#1
  return %0#0, %0#1 : tensor<1x4x6x5xf32>, tensor<1x4x6x5xf32>
}
