// RUN: dycl-opt %s --pass-pipeline='builtin.module(dycl.program(dycl-verify-host))' -split-input-file -verify-diagnostics

dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'math.exp' is left in the host program, which may hold only control flow, region calls and arithmetic on scalars}}
  %0 = math.exp %x : tensor<4xf32>
  dycl.return %0 : tensor<4xf32>
}

// -----

// Reading an element is a region's work, in a loop's condition as well.
dycl.program @main(%x: tensor<i1>) -> tensor<i1> {
  %0 = scf.while (%a = %x) : (tensor<i1>) -> tensor<i1> {
    // expected-error @+1 {{'tensor.extract' is left in the host program}}
    %p = tensor.extract %a[] : tensor<i1>
    scf.condition(%p) %a : tensor<i1>
  } do {
  ^bb0(%a: tensor<i1>):
    scf.yield %a : tensor<i1>
  }
  dycl.return %0 : tensor<i1>
}

// -----

// Python would divide, but not as i64 does.
dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> i64
  // expected-error @+1 {{'arith.divsi' is left in the host program}}
  %1 = arith.divsi %0, %0 : i64
  dycl.return %x : tensor<4xf32>
}
func.func private @region_0(tensor<4xf32>) -> i64

// -----

dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'dycl.invoke' gives the host a value of type 'bf16'; expected a tensor, i1, i32, i64, index, f32 or f64}}
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> bf16
  dycl.return %x : tensor<4xf32>
}
func.func private @region_0(tensor<4xf32>) -> bf16
