// Each option of the pipeline, on and off.
// RUN: dycl-opt %s --dycl-pipeline | FileCheck %s --check-prefixes=CHECK,SIMPLE,ROTATED
// RUN: dycl-opt %s --dycl-pipeline="simplify-host=false target=llvm-cpu" | FileCheck %s --check-prefixes=CHECK,PLAIN,ROTATED
// RUN: dycl-opt %s --dycl-pipeline="rotate-loops=false" | FileCheck %s --check-prefixes=CHECK,SIMPLE,STRAIGHT
// RUN: not dycl-opt %s --dycl-pipeline="entry=net" 2>&1 | FileCheck %s --check-prefix=MISSING

// MISSING: error: has no function @net, the entry of the program

// Simplified, the constant of a branch is the host's; else a region returns it. Rotated, the loop's condition needs no
// region of its own.
// CHECK-LABEL: dycl.program @main
// SIMPLE: arith.constant dense<7> : tensor<i64>
// CHECK: scf.while
// STRAIGHT-NEXT: dycl.invoke
// STRAIGHT-NEXT: scf.condition
// ROTATED-NEXT: scf.condition
// CHECK: scf.if
// SIMPLE-NEXT: scf.yield
// PLAIN-NEXT: dycl.invoke @region_{{[0-9]}}() : () -> tensor<i64>
// PLAIN: dycl.region @region_0 {{.*}} target = "llvm-cpu"
// SIMPLE-NOT: target =
func.func @main(%x: tensor<4xf32>, %n: tensor<i64>, %f: tensor<i1>) -> (tensor<4xf32>, tensor<i64>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %seven = arith.constant dense<7> : tensor<i64>
  %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %e = tensor.extract %a[%c0] : tensor<4xf32>
    %p = arith.cmpf olt, %e, %zero : f32
    scf.condition(%p) %a : tensor<4xf32>
  } do {
  ^bb0(%a: tensor<4xf32>):
    %1 = math.exp %a : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  %p = tensor.extract %f[] : tensor<i1>
  %2 = scf.if %p -> (tensor<i64>) {
    scf.yield %seven : tensor<i64>
  } else {
    scf.yield %n : tensor<i64>
  }
  return %0, %2 : tensor<4xf32>, tensor<i64>
}
