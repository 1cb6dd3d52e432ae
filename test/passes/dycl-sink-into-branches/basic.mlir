// RUN: dycl-opt %s --dycl-sink-into-branches | FileCheck %s

// What one branch uses goes there, its producers with it, whether registered or of tm_tensor. What both branches use
// stays, and so does what may have side effects.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[P:.+]]: i1, %[[X:.+]]: tensor<4xf32>)
func.func @main(%p: i1, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: %[[BOTH:.+]] = math.cos %[[X]]
  // CHECK-NEXT: %[[OPAQUE:.+]] = "vendor.op"(%[[X]])
  // CHECK-NEXT: scf.if
  // CHECK-NEXT:   %[[EXP:.+]] = math.exp %[[X]]
  // CHECK-NEXT:   %[[SCAN:.+]] = "tm_tensor.scan"(%[[EXP]])
  // CHECK-NEXT:   arith.addf %[[SCAN]], %[[BOTH]]
  // CHECK: else
  // CHECK-NEXT:   arith.addf %[[OPAQUE]], %[[BOTH]]
  %0 = math.exp %x : tensor<4xf32>
  %1 = "tm_tensor.scan"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %both = math.cos %x : tensor<4xf32>
  %opaque = "vendor.op"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = scf.if %p -> (tensor<4xf32>) {
    %3 = arith.addf %1, %both : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } else {
    %3 = arith.addf %opaque, %both : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}

// As deep as the uses allow, but never into a loop, where it would be computed again and again.
// CHECK-LABEL: func.func @nested
func.func @nested(%p: i1, %s: index, %n: index, %x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: scf.if
  // CHECK: scf.index_switch
  // CHECK: case 3
  // CHECK: %[[EXP:.+]] = math.exp
  // CHECK: scf.for
  // CHECK-NEXT: arith.mulf %{{.+}}, %[[EXP]]
  %0 = math.exp %x : tensor<4xf32>
  %1 = scf.if %p -> (tensor<4xf32>) {
    %2 = scf.index_switch %s -> tensor<4xf32>
    case 3 {
      %3 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
        %4 = arith.mulf %a, %0 : tensor<4xf32>
        scf.yield %4 : tensor<4xf32>
      }
      scf.yield %3 : tensor<4xf32>
    }
    default {
      scf.yield %x : tensor<4xf32>
    }
    scf.yield %2 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %1 : tensor<4xf32>
}
