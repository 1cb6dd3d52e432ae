// What the phase `import` hands over passes unchanged: calls, nested control flow, parameters, tm_tensor, poison.
// RUN: dycl-opt %s --dycl-verify-input | FileCheck %s
// Another entry, by name.
// RUN: dycl-opt %s --dycl-verify-input=entry=helper | FileCheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32> {dycl.name = "x"}, %p: tensor<i1>) -> tensor<4xf32> {
  %c = tensor.extract %p[] : tensor<i1>
  // CHECK: dycl.parameter "w"
  %w = "dycl.parameter"() <{key = "w"}> : () -> tensor<4xf32>
  %0 = scf.if %c -> (tensor<4xf32>) {
    // CHECK: call @helper
    %1 = func.call @helper(%x) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    // CHECK: ub.poison
    %1 = ub.poison : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  // CHECK: "tm_tensor.scan"
  %2 = "tm_tensor.scan"(%0, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// CHECK-LABEL: func.func private @helper
func.func private @helper(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.addf %x, %w : tensor<4xf32>
  return %0 : tensor<4xf32>
}
