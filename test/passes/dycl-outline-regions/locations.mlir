// Calls and regions have the lines of the user's operations, the first one first; nothing has an unknown location.
// RUN: dycl-opt %s --dycl-outline-regions --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: dycl-opt %s --dycl-outline-regions --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s --check-prefix=KNOWN

// KNOWN-NOT: loc(unknown)

// CHECK-LABEL: dycl.program @main
// CHECK: dycl.invoke @region_0{{.*}} loc(fused["net.py":5:3, "net.py":6:3])
// The innermost frame is the statement that computes.
// CHECK: dycl.invoke @region_1{{.*}} loc("layers.py":30:5)
// CHECK: } loc("net.py":7:3)
// CHECK: dycl.return {{.*}} loc("net.py":9:3)
// CHECK: } loc("net.py":4:1)
func.func @main(%x: tensor<4xf32> loc("net.py":4:9)) -> tensor<4xf32> {
  %0 = math.exp %x : tensor<4xf32> loc("net.py":5:3)
  %p = "tm_tensor.test"(%0) : (tensor<4xf32>) -> i1 loc("net.py":6:3)
  %1 = scf.if %p -> (tensor<4xf32>) {
    %2 = math.sin %0 : tensor<4xf32> loc(callsite("layers.py":30:5 at "net.py":8:5))
    scf.yield %2 : tensor<4xf32> loc("net.py":8:5)
  } else {
    scf.yield %x : tensor<4xf32> loc("net.py":7:3)
  } loc("net.py":7:3)
  return %1 : tensor<4xf32> loc("net.py":9:3)
} loc("net.py":4:1)
// KNOWN: func.func private @region_1
