// RUN: dycl-opt %s --dycl-rotate-loops | FileCheck %s

// Both loops of a nest rotate. A condition with control flow stays.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32>, %y: tensor<8xf32>) -> tensor<4xf32> {
  // CHECK: "tm_tensor.outer"
  // CHECK: scf.while
  // CHECK-NEXT: scf.condition
  // CHECK: "tm_tensor.inner"
  // CHECK: scf.while
  // CHECK-NEXT: scf.condition
  // CHECK: math.exp
  // CHECK: "tm_tensor.inner"
  // CHECK: scf.yield
  // CHECK: "tm_tensor.outer"
  // CHECK: scf.yield
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %p = "tm_tensor.outer"(%a) : (tensor<4xf32>) -> i1
    scf.condition(%p) %a : tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>):
    %1 = scf.while (%b = %a) : (tensor<4xf32>) -> tensor<4xf32> {
      %p = "tm_tensor.inner"(%b, %y) : (tensor<4xf32>, tensor<8xf32>) -> i1
      scf.condition(%p) %b : tensor<4xf32>
    } do {
    ^bb0(%b: tensor<4xf32>):
      %2 = math.exp %b : tensor<4xf32>
      scf.yield %2 : tensor<4xf32>
    }
    scf.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @branching_condition
// CHECK: scf.while
// CHECK-NEXT: "tm_tensor.first"
// CHECK-NEXT: scf.if
func.func @branching_condition(%x: tensor<4xf32>) -> tensor<4xf32> {
  %false = arith.constant false
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %p = "tm_tensor.first"(%a) : (tensor<4xf32>) -> i1
    %q = scf.if %p -> (i1) {
      %r = "tm_tensor.second"(%a) : (tensor<4xf32>) -> i1
      scf.yield %r : i1
    } else {
      scf.yield %false : i1
    }
    scf.condition(%q) %a : tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>):
    %1 = math.exp %a : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
