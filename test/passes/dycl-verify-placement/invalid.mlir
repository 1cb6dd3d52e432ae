// RUN: dycl-opt %s --dycl-verify-placement -split-input-file -verify-diagnostics

dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
  // expected-error @+1 {{takes operand 0 on "vulkan"; it lies on "llvm-cpu"}}
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %x : tensor<4xf32>
}
dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {affinity = "vulkan"}

// -----

// A result of the program is needed at home.
dycl.program @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) attributes {home = "llvm-cpu"} {
  %0 = dycl.transfer %x from "llvm-cpu" to "vulkan" : tensor<4xf32>
  // expected-error @+1 {{takes operand 1 on "llvm-cpu"; it lies on "vulkan"}}
  dycl.return %x, %0 : tensor<4xf32>, tensor<4xf32>
}

// -----

// A transfer comes from where the tensor is.
dycl.program @main(%x: tensor<4xf32>) attributes {home = "llvm-cpu"} {
  // expected-error @+1 {{takes operand 0 on "cuda"; it lies on "llvm-cpu"}}
  %0 = dycl.transfer %x from "cuda" to "vulkan" : tensor<4xf32>
  dycl.return
}

// -----

// Both branches give their result on one device.
dycl.program @main(%x: tensor<4xf32>) attributes {home = "llvm-cpu"} {
  %p = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> i1
  %0 = scf.if %p -> (tensor<4xf32>) {
    %1 = dycl.transfer %x from "llvm-cpu" to "vulkan" : tensor<4xf32>
    // expected-error @+1 {{takes operand 0 on "llvm-cpu"; it lies on "vulkan"}}
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  dycl.return
}
dycl.region @region_0 : (tensor<4xf32>) -> i1

// -----

// So does each iteration of a loop.
dycl.program @main(%x: tensor<4xf32>) attributes {home = "llvm-cpu"} {
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %p = dycl.invoke @region_0(%a) : (tensor<4xf32>) -> i1
    scf.condition(%p) %a : tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>):
    %1 = dycl.transfer %a from "llvm-cpu" to "vulkan" : tensor<4xf32>
    // expected-error @+1 {{takes operand 0 on "llvm-cpu"; it lies on "vulkan"}}
    scf.yield %1 : tensor<4xf32>
  }
  dycl.return
}
dycl.region @region_0 : (tensor<4xf32>) -> i1

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dycl.invoke' is placed on a device; the program names no home}}
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return
}
func.func private @region_0(tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"}

// -----

dycl.program @main(%x: tensor<4xf32>) {
  // expected-error @+1 {{'dycl.transfer' is placed on a device; the program names no home}}
  %0 = dycl.transfer %x from "llvm-cpu" to "vulkan" : tensor<4xf32>
  dycl.return
}
