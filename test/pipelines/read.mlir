// What somebody wrote becomes what the phase import hands over: functions that are not called are dropped, whatever is in
// them, and branches between blocks become scf.
// RUN: dycl-opt %s --dycl-read-pipeline=program=steps | FileCheck %s

// CHECK-NOT: memref
// CHECK-NOT: cf.
// CHECK: func.func @main(%{{.*}}: i64) -> i64
// CHECK: scf.while
// CHECK-NOT: func.func
func.func @steps(%n: i64) -> i64 {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  cf.br ^head(%n, %c0 : i64, i64)
^head(%v: i64, %k: i64):
  %done = arith.cmpi sle, %v, %c1 : i64
  cf.cond_br %done, ^exit, ^body
^body:
  %h = arith.shrsi %v, %c1 : i64
  %m = arith.addi %k, %c1 : i64
  cf.br ^head(%h, %m : i64, i64)
^exit:
  return %k : i64
}
func.func @unused(%x: memref<4xf32>) {
  return
}
