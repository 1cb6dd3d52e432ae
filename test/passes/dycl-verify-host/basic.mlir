// Everything that a host may hold.
// RUN: dycl-opt %s --pass-pipeline='builtin.module(dycl.program(dycl-verify-host))' | FileCheck %s

// CHECK-LABEL: dycl.program @main
dycl.program @main(%x: tensor<4xf32>, %y: tensor<?xf32>) -> (tensor<4xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %i0 = arith.constant 0 : i64
  %half = arith.constant 0.5 : f64
  %true = arith.constant true
  %tensor = arith.constant dense<1.0> : tensor<4xf32>
  %poison = ub.poison : tensor<4xf32>
  %0:4 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> (i1, i64, f64, index)
  %1 = arith.xori %0#0, %true : i1
  %2 = arith.cmpi sgt, %0#1, %i0 : i64
  %3 = arith.cmpf olt, %0#2, %half : f64
  %4 = arith.andi %2, %3 : i1
  %5 = arith.ori %1, %4 : i1
  %6 = arith.select %5, %x, %tensor : tensor<4xf32>
  %7 = scf.if %5 -> (tensor<4xf32>) {
    %8 = scf.for %i = %c0 to %0#3 step %c1 iter_args(%a = %6) -> (tensor<4xf32>) {
      %9 = scf.index_switch %i -> tensor<4xf32>
      case 0 {
        scf.yield %poison : tensor<4xf32>
      }
      default {
        scf.yield %a : tensor<4xf32>
      }
      scf.yield %9 : tensor<4xf32>
    }
    scf.yield %8 : tensor<4xf32>
  } else {
    %8:2 = scf.while (%a = %x, %i = %i0) : (tensor<4xf32>, i64) -> (tensor<4xf32>, i64) {
      %9 = arith.cmpi slt, %i, %0#1 : i64
      scf.condition(%9) %a, %i : tensor<4xf32>, i64
    } do {
    ^bb0(%a: tensor<4xf32>, %i: i64):
      %9 = arith.addi %i, %0#1 : i64
      scf.yield %a, %9 : tensor<4xf32>, i64
    }
    scf.yield %8#0 : tensor<4xf32>
  }
  %10 = tensor.cast %7 : tensor<4xf32> to tensor<?xf32>
  dycl.return %7, %10 : tensor<4xf32>, tensor<?xf32>
}
func.func private @region_0(tensor<4xf32>) -> (i1, i64, f64, index)
