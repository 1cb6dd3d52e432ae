// RUN: dycl-opt %s --dycl-outline-regions -split-input-file -verify-diagnostics

// expected-error @+1 {{has no function @main to outline}}
module {}

// -----

// expected-error @+1 {{expected a body of one block}}
func.func private @main()

// -----

// A scalar that the VM's calling convention lacks cannot go through the host.
func.func @main(%x: tensor<bf16>, %p: tensor<i1>) -> tensor<bf16> {
  %p0 = tensor.extract %p[] : tensor<i1>
  %cst = arith.constant 1.0 : bf16
  %0 = scf.if %p0 -> (bf16) {
    // expected-error @+1 {{a value of type 'bf16' would have to leave its region; expected a tensor, i1, i32, i64, index, f32 or f64}}
    %1 = tensor.extract %x[] : tensor<bf16>
    scf.yield %1 : bf16
  } else {
    scf.yield %cst : bf16
  }
  %2 = tensor.from_elements %0 : tensor<bf16>
  return %2 : tensor<bf16>
}
