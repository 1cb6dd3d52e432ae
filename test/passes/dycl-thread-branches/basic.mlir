// RUN: dycl-opt %s --dycl-thread-branches -canonicalize | FileCheck %s

// A flag that each branch sets to a constant is followed: one test is left, and each side has its own continuation.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[P:.+]]: i1, %[[EXIT:.+]]: tensor<4xf32>, %[[X:.+]]: tensor<4xf32>)
func.func @main(%p: i1, %exit: tensor<4xf32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %true = arith.constant true
  %false = arith.constant false
  // CHECK: %[[R:.+]] = scf.if %[[P]] -> (tensor<4xf32>) {
  // CHECK:   %[[THEN:.+]] = math.sin %[[EXIT]]
  // CHECK:   scf.yield %[[THEN]]
  // CHECK: } else {
  // CHECK:   %[[ELSE:.+]] = math.exp %[[X]]
  // CHECK:   scf.yield %[[ELSE]]
  // CHECK: }
  // CHECK-NOT: scf.if
  // CHECK: return %[[R]]
  %0:2 = scf.if %p -> (tensor<4xf32>, i1) {
    scf.yield %exit, %true : tensor<4xf32>, i1
  } else {
    scf.yield %x, %false : tensor<4xf32>, i1
  }
  %1 = scf.if %0#1 -> (tensor<4xf32>) {
    %2 = math.sin %0#0 : tensor<4xf32>
    scf.yield %2 : tensor<4xf32>
  } else {
    %2 = math.exp %0#0 : tensor<4xf32>
    scf.yield %2 : tensor<4xf32>
  }
  return %1 : tensor<4xf32>
}

// A flag set in a nested branch: the trivial side is repeated at its two leaves, the other side stands once.
// CHECK-LABEL: func.func @nested
// CHECK-SAME: (%[[P:.+]]: i1, %[[Q:.+]]: i1, %[[X:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<4xf32>, %[[Z:.+]]: tensor<4xf32>)
func.func @nested(%p: i1, %q: i1, %x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %true = arith.constant true
  %false = arith.constant false
  // CHECK: scf.if %[[P]] -> (tensor<4xf32>) {
  // CHECK-NEXT: scf.yield %[[X]]
  // CHECK-NEXT: } else {
  // CHECK-NEXT:   %[[INNER:.+]] = scf.if %[[Q]] -> (tensor<4xf32>) {
  // CHECK-NEXT:     scf.yield %[[Y]]
  // CHECK-NEXT:   } else {
  // CHECK-NEXT:     %[[E:.+]] = math.exp %[[Z]]
  // CHECK-NEXT:     scf.yield %[[E]]
  // CHECK-NEXT:   }
  // CHECK-NEXT:   scf.yield %[[INNER]]
  // CHECK-NOT: math.exp
  %0:2 = scf.if %p -> (tensor<4xf32>, i1) {
    scf.yield %x, %true : tensor<4xf32>, i1
  } else {
    %1:2 = scf.if %q -> (tensor<4xf32>, i1) {
      scf.yield %y, %true : tensor<4xf32>, i1
    } else {
      scf.yield %z, %false : tensor<4xf32>, i1
    }
    scf.yield %1#0, %1#1 : tensor<4xf32>, i1
  }
  %2 = scf.if %0#1 -> (tensor<4xf32>) {
    scf.yield %0#0 : tensor<4xf32>
  } else {
    %3 = math.exp %0#0 : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}

// A flag that is computed is no flag.
// CHECK-LABEL: func.func @computed
// CHECK-COUNT-2: scf.if
func.func @computed(%p: i1, %q: i1, %x: tensor<4xf32>) -> tensor<4xf32> {
  %true = arith.constant true
  %0:2 = scf.if %p -> (tensor<4xf32>, i1) {
    %1 = math.sin %x : tensor<4xf32>
    scf.yield %1, %true : tensor<4xf32>, i1
  } else {
    scf.yield %x, %q : tensor<4xf32>, i1
  }
  %2 = scf.if %0#1 -> (tensor<4xf32>) {
    scf.yield %0#0 : tensor<4xf32>
  } else {
    %3 = math.exp %0#0 : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}

// Both leaves of `true` would need a copy of the sine: nothing is duplicated.
// CHECK-LABEL: func.func @duplicating
// CHECK: scf.if
// CHECK: scf.if
// CHECK: scf.if
// CHECK: math.sin
// CHECK-NOT: math.sin
func.func @duplicating(%p: i1, %q: i1, %x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %true = arith.constant true
  %false = arith.constant false
  %0:2 = scf.if %p -> (tensor<4xf32>, i1) {
    scf.yield %x, %true : tensor<4xf32>, i1
  } else {
    %1:2 = scf.if %q -> (tensor<4xf32>, i1) {
      %4 = math.cos %y : tensor<4xf32>
      scf.yield %4, %true : tensor<4xf32>, i1
    } else {
      scf.yield %z, %false : tensor<4xf32>, i1
    }
    scf.yield %1#0, %1#1 : tensor<4xf32>, i1
  }
  %2 = scf.if %0#1 -> (tensor<4xf32>) {
    %3 = math.sin %0#0 : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } else {
    scf.yield %0#0 : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}
