// RUN: dycl-opt %s --dycl-inline-calls --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// Calls in branches and in callees, a function called twice, a body with an unregistered operation that has a body:
// all in place, in order, each operation with its own line or else that of the call.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:[^ ]+]]: tensor<4xf32>{{.*}}, %[[P:[^ ]+]]: i1
func.func @main(%x: tensor<4xf32>, %p: i1) -> (tensor<4xf32>, tensor<8xf32>) {
  // CHECK: %[[A:.+]] = math.exp %[[X]] : tensor<4xf32> loc("net.py":20:5)
  // CHECK: %[[W:.+]] = tensor.pad %[[A]]
  %0:2 = func.call @outer(%x) : (tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>) loc("net.py":3:5)
  // CHECK: scf.if %[[P]]
  // CHECK: %[[B:.+]] = math.exp %[[A]] : tensor<4xf32> loc("net.py":20:5)
  // CHECK-NEXT: scf.yield %[[B]]
  %1 = scf.if %p -> (tensor<4xf32>) {
    %2 = func.call @inner(%0#1) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %2 : tensor<4xf32>
  } else {
    // CHECK: %[[C:.+]] = "tm_tensor.scan"(%[[X]])
    // CHECK: loc("net.py":7:5)
    %2 = func.call @opaque(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("net.py":7:5)
    scf.yield %2 : tensor<4xf32>
  }
  return %1, %0#0 : tensor<4xf32>, tensor<8xf32>
}

// CHECK-NOT: func.func
func.func private @outer(%x: tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %0 = func.call @inner(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = tensor.pad %0 low[0] high[4] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<4xf32> to tensor<8xf32>
  return %1, %0 : tensor<8xf32>, tensor<4xf32>
}
func.func private @inner(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %x : tensor<4xf32> loc("net.py":20:5)
  return %0 : tensor<4xf32>
}
func.func private @opaque(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "tm_tensor.scan"(%x) ({
  ^bb0(%a: f32, %b: f32):
    "tm_tensor.yield"(%a) : (f32) -> () loc(unknown)
  }) : (tensor<4xf32>) -> tensor<4xf32> loc(unknown)
  return %0 : tensor<4xf32>
}
