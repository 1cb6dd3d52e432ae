// RUN: dycl-opt %s --dycl-outline-regions -split-input-file | FileCheck %s

// Three nested early exits: each test belongs to its stage, so the longest path makes four calls. Values from two levels
// up are passed to where they are used.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>) -> tensor<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[A:.+]]:2 = dycl.invoke @region_0(%[[X]])
  // CHECK: scf.if %[[A]]#1
  // CHECK-NEXT: scf.yield %[[A]]#0
  // CHECK: %[[B:.+]]:2 = dycl.invoke @region_1(%[[A]]#0)
  // CHECK-NEXT: scf.if %[[B]]#1
  // CHECK-NEXT: scf.yield %[[B]]#0
  // CHECK: %[[C:.+]]:2 = dycl.invoke @region_2(%[[B]]#0)
  // CHECK-NEXT: scf.if %[[C]]#1
  // CHECK-NEXT: scf.yield %[[C]]#0
  // CHECK: %[[D:.+]] = dycl.invoke @region_3(%[[C]]#0, %[[A]]#0)
  // CHECK-NEXT: scf.yield %[[D]]
  // CHECK-NOT: dycl.invoke
  %0 = math.sin %x : tensor<4xf32>
  %p0 = "tm_tensor.test"(%0) : (tensor<4xf32>) -> i1
  %r0 = scf.if %p0 -> (tensor<4xf32>) {
    scf.yield %0 : tensor<4xf32>
  } else {
    %1 = math.cos %0 : tensor<4xf32>
    %p1 = "tm_tensor.test"(%1) : (tensor<4xf32>) -> i1
    %r1 = scf.if %p1 -> (tensor<4xf32>) {
      scf.yield %1 : tensor<4xf32>
    } else {
      %2 = math.tan %1 : tensor<4xf32>
      %p2 = "tm_tensor.test"(%2) : (tensor<4xf32>) -> i1
      %r2 = scf.if %p2 -> (tensor<4xf32>) {
        scf.yield %2 : tensor<4xf32>
      } else {
        %3 = arith.addf %2, %0 : tensor<4xf32>
        scf.yield %3 : tensor<4xf32>
      }
      scf.yield %r2 : tensor<4xf32>
    }
    scf.yield %r1 : tensor<4xf32>
  }
  return %r0 : tensor<4xf32>
}

// -----

// The fewest pieces: what does not depend on the branch joins the piece that is there anyway, after the second branch,
// and `exp`, written between the branches, needs no call of its own.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>, %[[P:.+]]: tensor<i1>, %[[Q:.+]]: tensor<i1>)
func.func @main(%x: tensor<4xf32>, %p: tensor<i1>, %q: tensor<i1>) -> tensor<4xf32> {
  // CHECK: %[[TESTS:.+]]:3 = dycl.invoke @region_0(%[[P]], %[[X]], %[[Q]])
  // CHECK-NEXT: scf.if %[[TESTS]]#0
  // CHECK: dycl.invoke @region_1
  // CHECK: %[[S:.+]] = scf.if %[[TESTS]]#2
  // CHECK: dycl.invoke @region_2
  // CHECK: dycl.invoke @region_3
  // CHECK-NOT: dycl.invoke
  %p0 = tensor.extract %p[] : tensor<i1>
  %0 = scf.if %p0 -> (tensor<4xf32>) {
    %1 = math.sin %x : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  %2 = math.exp %x : tensor<4xf32>
  %q0 = tensor.extract %q[] : tensor<i1>
  %3 = scf.if %q0 -> (tensor<4xf32>) {
    %4 = math.cos %x : tensor<4xf32>
    scf.yield %4 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  %5 = arith.addf %0, %2 : tensor<4xf32>
  %6 = arith.addf %5, %3 : tensor<4xf32>
  return %6 : tensor<4xf32>
}

// -----

// Predicates that are at hand are combined on the host; one that is computed is combined in its region.
// CHECK-LABEL: dycl.program @main
func.func @main(%x: tensor<4xf32>, %p: tensor<i1>, %q: tensor<i1>) -> tensor<4xf32> {
  // CHECK: %[[TRUE:.+]] = arith.constant true
  // CHECK: %[[R:.+]]:2 = dycl.invoke @region_0
  // CHECK: %[[S:.+]] = scf.if %[[R]]#{{[01]}} -> (i1)
  // CHECK: %[[NOT:.+]] = arith.xori %[[S]], %[[TRUE]]
  // CHECK: scf.if %[[NOT]]
  // CHECK-LABEL: func.func private @region_0
  // CHECK: arith.ori
  %true = arith.constant true
  %p0 = tensor.extract %p[] : tensor<i1>
  %q0 = tensor.extract %q[] : tensor<i1>
  %either = arith.ori %p0, %q0 : i1
  %0 = scf.if %either -> (i1) {
    scf.yield %q0 : i1
  } else {
    scf.yield %true : i1
  }
  %1 = arith.xori %0, %true : i1
  %2 = scf.if %1 -> (tensor<4xf32>) {
    %3 = math.sin %x : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}

// -----

// Dynamic shapes: a size is computed anew in the region that needs it; one that the host needs leaves its region.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<?xf32>, %[[P:.+]]: tensor<i1>)
func.func @main(%x: tensor<?xf32>, %p: tensor<i1>) -> (tensor<?xf32>, tensor<?xf32>) {
  // CHECK: %[[T:.+]] = dycl.invoke @region_0(%[[P]]) : (tensor<i1>) -> i1
  // CHECK: %[[S:.+]] = scf.if %[[T]]
  // CHECK-NEXT: dycl.invoke @region_1(%[[X]]) : (tensor<?xf32>) -> tensor<?xf32>
  // CHECK: %[[N:.+]] = dycl.invoke @region_2(%[[S]]) : (tensor<?xf32>) -> index
  // CHECK: scf.for %{{.+}} = %{{.+}} to %[[N]]
  // CHECK-LABEL: func.func private @region_1
  // CHECK: %[[D:.+]] = tensor.dim
  // CHECK: tensor.empty(%[[D]])
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p0 = tensor.extract %p[] : tensor<i1>
  %d = tensor.dim %x, %c0 : tensor<?xf32>
  %0 = scf.if %p0 -> (tensor<?xf32>) {
    %1 = tensor.empty(%d) : tensor<?xf32>
    %2 = linalg.exp ins(%x : tensor<?xf32>) outs(%1 : tensor<?xf32>) -> tensor<?xf32>
    scf.yield %2 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  %n = tensor.dim %0, %c0 : tensor<?xf32>
  %3 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %0) -> (tensor<?xf32>) {
    %4 = math.exp %a : tensor<?xf32>
    scf.yield %4 : tensor<?xf32>
  }
  return %3, %0 : tensor<?xf32>, tensor<?xf32>
}
