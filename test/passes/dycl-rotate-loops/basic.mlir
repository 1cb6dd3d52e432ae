// RUN: dycl-opt %s --dycl-rotate-loops | FileCheck %s

// The condition is computed before the loop and at the end of the body; what it forwards is carried.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>, %[[N:.+]]: tensor<i64>)
func.func @main(%x: tensor<4xf32>, %n: tensor<i64>) -> (tensor<4xf32>, tensor<8xf32>) {
  // CHECK: %[[P0:.+]]:2 = "tm_tensor.test"(%[[X]], %[[N]])
  // CHECK: %[[R:.+]]:2 = scf.while (%[[P:.+]] = %[[P0]]#0, %[[A:.+]] = %[[X]], %[[B:.+]] = %[[P0]]#1) : (i1, tensor<4xf32>, tensor<8xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
  // CHECK-NEXT: scf.condition(%[[P]]) %[[A]], %[[B]]
  // CHECK: ^bb0(%[[C:.+]]: tensor<4xf32>, %[[D:.+]]: tensor<8xf32>):
  // CHECK-NEXT: %[[E:.+]] = math.exp %[[C]]
  // CHECK-NEXT: %[[P1:.+]]:2 = "tm_tensor.test"(%[[E]], %[[N]])
  // CHECK-NEXT: scf.yield %[[P1]]#0, %[[E]], %[[P1]]#1
  // CHECK: return %[[R]]#0, %[[R]]#1
  %0:2 = scf.while (%a = %x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
    %p:2 = "tm_tensor.test"(%a, %n) : (tensor<4xf32>, tensor<i64>) -> (i1, tensor<8xf32>)
    scf.condition(%p#0) %a, %p#1 : tensor<4xf32>, tensor<8xf32>
  } do {
  ^bb0(%a: tensor<4xf32>, %b: tensor<8xf32>):
    %1 = math.exp %a : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<4xf32>, tensor<8xf32>
}

// A counter's test is the host's: nothing to rotate.
// CHECK-LABEL: func.func @counter
// CHECK: scf.while
// CHECK-NEXT: arith.cmpi slt
// CHECK-NEXT: scf.condition
func.func @counter(%x: tensor<4xf32>, %n: i64) -> tensor<4xf32> {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %0:2 = scf.while (%a = %x, %i = %c0) : (tensor<4xf32>, i64) -> (tensor<4xf32>, i64) {
    %p = arith.cmpi slt, %i, %n : i64
    scf.condition(%p) %a, %i : tensor<4xf32>, i64
  } do {
  ^bb0(%a: tensor<4xf32>, %i: i64):
    %1 = math.exp %a : tensor<4xf32>
    %2 = arith.addi %i, %c1 : i64
    scf.yield %1, %2 : tensor<4xf32>, i64
  }
  return %0#0 : tensor<4xf32>
}
