// RUN: dycl-opt %s --dycl-convert-host=num-state=2 -split-input-file -verify-diagnostics

// expected-error @+1 {{holds 0 programs; expected one dycl.program}}
module {
}

// -----

// expected-error @+1 {{has 1 arguments, of which 2 are said to be state}}
dycl.program @main(%x: tensor<4xf32>) {
  dycl.return
}

// -----

func.func private @region_0(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
dycl.program @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{calls @region_0, which is not partitioned; run --dycl-partition-pipeline first}}
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{runs on "cuda"; the host as a VM module copies between llvm-cpu and vulkan only}}
dycl.program @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
  dycl.return %x : tensor<4xf32>
}
dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {affinity = "cuda", module = @region_0_module}
module @region_0_module {
  func.func @region_0(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
}

// -----

// expected-error @+1 {{runs on "llvm-cpu" and "llvm-cpu_x86_64", which IREE's VM knows both as 'local' alone}}
dycl.program @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
  dycl.return %x : tensor<4xf32>
}
dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {affinity = "llvm-cpu_x86_64", module = @region_0_module}
module @region_0_module {
  func.func @region_0(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
}
