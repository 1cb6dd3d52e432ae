// Each rule, broken once; the diagnostic is at the user's operation.
// RUN: dycl-opt %s --dycl-verify-input -split-input-file -verify-diagnostics

// expected-error @+1 {{has no function @main, the entry of the program}}
module {
  func.func @other() { return }
}

// -----

// expected-error @+1 {{the entry @main has no body}}
func.func private @main()

// -----

// expected-error @+1 {{argument 1 of the entry is of type 'i7'; expected a ranked tensor or a number, of f16, bf16, f32, f64 or integers of 1, 8, 16, 32 or 64 bits}}
func.func @main(%x: tensor<4xf32>, %n: i7) { return }

// -----

// expected-error @+1 {{result 0 of the entry is of type 'tensor<2xindex>'; expected a ranked tensor}}
func.func @main() -> tensor<2xindex> {
  %0 = arith.constant dense<0> : tensor<2xindex>
  return %0 : tensor<2xindex>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'my.op' is of a dialect that nothing here compiles; expected arith, math, tensor, linalg, scf, cf or func}}
  %0 = "my.op"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @main() { return }
// expected-error @+1 {{'builtin.module' is not expected here; the input is functions only}}
module @inner {}

// -----

// expected-error @+1 {{@main has unstructured control flow (several blocks); expected scf operations}}
func.func @main() {
  cf.br ^bb1
^bb1:
  return
}

// -----

func.func @main() {
  func.call @other() : () -> ()
  return
}
// expected-error @+1 {{is recursive; expected every call to end in finitely many inlinings}}
func.func private @other() {
  func.call @main() : () -> ()
  return
}

// -----

func.func @main() {
  // expected-error @+1 {{'memref.alloc' gives a value of type 'memref<4xf32>'; expected ranked tensors and scalars}}
  %0 = memref.alloc() : memref<4xf32>
  return
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'torch.aten.relu' is not lowered to linalg on tensors}}
  %0 = "torch.aten.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @main() {
  %f = func.constant @main : () -> ()
  // expected-error @+1 {{'func.call_indirect' cannot be inlined; expected a direct call}}
  func.call_indirect %f() : () -> ()
  return
}

// -----

func.func @main() {
  // expected-error @+1 {{calls @declared, which has no body}}
  func.call @declared() : () -> ()
  return
}
func.func private @declared()

// -----

func.func @main() {
  // expected-error @+1 {{'dycl.invoke' is made by a later phase; expected a program that is not outlined}}
  dycl.invoke @region_0() : () -> ()
  return
}
func.func private @region_0() { return }

// -----

// What torch-mlir makes of a loop whose first condition folds to true.
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %max = arith.constant 9223372036854775807 : index
  // expected-error @+1 {{loop counts to the largest integer; its exit test was lost before it came here}}
  %0 = scf.for %i = %c0 to %max step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
    %1 = math.exp %a : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{loop has a condition that is always true; it cannot end}}
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %true = arith.constant true
    scf.condition(%true) %a : tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>):
    scf.yield %a : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

func.func @main() {
  // expected-note @+1 {{here it is 'tensor<4xf32>'}}
  %0 = dycl.parameter "w" : tensor<4xf32>
  // expected-error @+1 {{has type 'tensor<8xf32>'; the parameter has another type elsewhere}}
  %1 = dycl.parameter "w" : tensor<8xf32>
  return
}
