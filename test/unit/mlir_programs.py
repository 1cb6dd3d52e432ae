# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs as a compiler engineer writes them in MLIR, after the documentation of upstream's dialects."""

PROGRAMS = {
    "scalars": """
// A polynomial by Horner's rule, of a number.
func.func @main(%x: f32, %n: i64, %negate: i1) -> (f32, i64, i1) {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %one = arith.constant 1.0 : f32
  %r:2 = scf.while (%i = %c0, %acc = %one) : (i64, f32) -> (i64, f32) {
    %more = arith.cmpi slt, %i, %n : i64
    scf.condition(%more) %i, %acc : i64, f32
  } do {
  ^bb0(%i: i64, %acc: f32):
    %p = arith.mulf %acc, %x : f32
    %q = arith.addf %p, %one : f32
    %j = arith.addi %i, %c1 : i64
    scf.yield %j, %q : i64, f32
  }
  %s = scf.if %negate -> f32 {
    %m = arith.negf %r#1 : f32
    scf.yield %m : f32
  } else {
    scf.yield %r#1 : f32
  }
  %zero = arith.constant 0.0 : f32
  %pos = arith.cmpf ogt, %s, %zero : f32
  return %s, %r#0, %pos : f32, i64, i1
}
""",
    "rank0": """
func.func @main(%x: tensor<f32>, %y: tensor<5xf32>) -> (tensor<f32>, tensor<i64>) {
  %init = arith.constant dense<0.0> : tensor<f32>
  %sum = linalg.reduce ins(%y : tensor<5xf32>) outs(%init : tensor<f32>) dimensions = [0]
    (%a: f32, %b: f32) {
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
    }
  %v = tensor.extract %sum[] : tensor<f32>
  %t = tensor.extract %x[] : tensor<f32>
  %c = arith.cmpf ogt, %v, %t : f32
  %r:2 = scf.if %c -> (tensor<f32>, i64) {
    %c1 = arith.constant 1 : i64
    scf.yield %sum, %c1 : tensor<f32>, i64
  } else {
    %c2 = arith.constant 2 : i64
    %z = arith.subf %t, %v : f32
    %w = tensor.from_elements %z : tensor<f32>
    scf.yield %w, %c2 : tensor<f32>, i64
  }
  %e = tensor.from_elements %r#1 : tensor<i64>
  return %r#0, %e : tensor<f32>, tensor<i64>
}
""",
    "index_args": """
func.func @main(%x: tensor<8xf32>, %i: index, %n: index) -> (f32, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %r = scf.for %k = %c0 to %n step %c1 iter_args(%acc = %zero) -> f32 {
    %j = arith.addi %i, %k : index
    %v = tensor.extract %x[%j] : tensor<8xf32>
    %s = arith.addf %acc, %v : f32
    scf.yield %s : f32
  }
  %last = arith.addi %i, %n : index
  return %r, %last : f32, index
}
""",
    "only_public": """
module {
  func.func private @unused(%x: tensor<4xf32>) -> tensor<4xf32>
  func.func private @scale(%x: tensor<4xf32>, %s: f32) -> tensor<4xf32> {
    %e = tensor.empty() : tensor<4xf32>
    %f = linalg.fill ins(%s : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
    %r = arith.mulf %x, %f : tensor<4xf32>
    return %r : tensor<4xf32>
  }
  func.func @forward(%x: tensor<4xf32> {dycl.name = "x"}, %s: f32) -> tensor<4xf32> {
    %r = call @scale(%x, %s) : (tensor<4xf32>, f32) -> tensor<4xf32>
    return %r : tensor<4xf32>
  }
}
""",
    "no_results": """
func.func @main(%x: tensor<4xf32>) {
  return
}
""",
    "passthrough": """
func.func @main(%x: tensor<3xf32>, %n: i64) -> (tensor<3xf32>, i64, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %y = arith.addf %x, %x : tensor<3xf32>
  return %x, %n, %x, %y, %y : tensor<3xf32>, i64, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
""",
    "dynamic": """
// Rows of a matrix product whose sum is positive are counted; the batch varies.
#map = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @main(%x: tensor<?x4xf32>, %w: tensor<4x3xf32>) -> (tensor<?x3xf32>, i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x3xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x3xf32>) -> tensor<?x3xf32>
  %p = linalg.matmul ins(%x, %w : tensor<?x4xf32>, tensor<4x3xf32>) outs(%f : tensor<?x3xf32>) -> tensor<?x3xf32>
  %re = tensor.empty(%n) : tensor<?xf32>
  %rf = linalg.fill ins(%zero : f32) outs(%re : tensor<?xf32>) -> tensor<?xf32>
  %rows = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
      ins(%p : tensor<?x3xf32>) outs(%rf : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %count = scf.for %i = %c0 to %n step %c1 iter_args(%k = %none) -> i64 {
    %v = tensor.extract %rows[%i] : tensor<?xf32>
    %is = arith.cmpf ogt, %v, %zero : f32
    %next = scf.if %is -> i64 {
      %m = arith.addi %k, %one : i64
      scf.yield %m : i64
    } else {
      scf.yield %k : i64
    }
    scf.yield %next : i64
  }
  return %p, %count : tensor<?x3xf32>, i64
}
""",
    "switch": """
func.func @main(%x: tensor<2x3xf32>, %which: index) -> tensor<2x3xf32> {
  %y = scf.index_switch %which -> tensor<2x3xf32>
  case 0 {
    %r = math.sqrt %x : tensor<2x3xf32>
    scf.yield %r : tensor<2x3xf32>
  }
  case 2 {
    %r = arith.mulf %x, %x : tensor<2x3xf32>
    scf.yield %r : tensor<2x3xf32>
  }
  default {
    scf.yield %x : tensor<2x3xf32>
  }
  return %y : tensor<2x3xf32>
}
""",
    "cf": """
// Collatz steps, in unstructured control flow.
func.func @main(%n: i64) -> i64 {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c2 = arith.constant 2 : i64
  %c3 = arith.constant 3 : i64
  cf.br ^head(%n, %c0 : i64, i64)
^head(%v: i64, %steps: i64):
  %done = arith.cmpi sle, %v, %c1 : i64
  cf.cond_br %done, ^exit, ^body
^body:
  %next = arith.addi %steps, %c1 : i64
  %bit = arith.remsi %v, %c2 : i64
  %odd = arith.cmpi eq, %bit, %c1 : i64
  cf.cond_br %odd, ^up, ^down
^up:
  %t = arith.muli %v, %c3 : i64
  %u = arith.addi %t, %c1 : i64
  cf.br ^head(%u, %next : i64, i64)
^down:
  %h = arith.divsi %v, %c2 : i64
  cf.br ^head(%h, %next : i64, i64)
^exit:
  return %steps : i64
}
""",
    "cf_tensors": """
// Newton's iteration for a square root, with an early exit and a switch.
func.func @main(%x: tensor<f32>, %mode: i32) -> tensor<f32> {
  cf.switch %mode : i32, [
    default: ^iterate(%x : tensor<f32>),
    0: ^direct,
    7: ^iterate(%x : tensor<f32>)
  ]
^direct:
  %s = math.sqrt %x : tensor<f32>
  return %s : tensor<f32>
^iterate(%g: tensor<f32>):
  %half = arith.constant dense<0.5> : tensor<f32>
  %q = arith.divf %x, %g : tensor<f32>
  %a = arith.addf %g, %q : tensor<f32>
  %m = arith.mulf %a, %half : tensor<f32>
  %d = arith.subf %g, %m : tensor<f32>
  %ad = math.absf %d : tensor<f32>
  %v = tensor.extract %ad[] : tensor<f32>
  %eps = arith.constant 1.0e-4 : f32
  %more = arith.cmpf ogt, %v, %eps : f32
  cf.cond_br %more, ^iterate(%m : tensor<f32>), ^done
^done:
  return %m : tensor<f32>
}
""",
    "nested_while": """
// sum over i in [0, n) of the number of halvings of i
func.func @main(%n: i32) -> (i32, i32) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %r:3 = scf.while (%i = %c0, %sum = %c0, %w = %c0) : (i32, i32, i32) -> (i32, i32, i32) {
    %more = arith.cmpi slt, %i, %n : i32
    scf.condition(%more) %i, %sum, %w : i32, i32, i32
  } do {
  ^bb0(%i: i32, %sum: i32, %w: i32):
    %h:2 = scf.while (%v = %i, %k = %c0) : (i32, i32) -> (i32, i32) {
      %go = arith.cmpi sgt, %v, %c0 : i32
      scf.condition(%go) %v, %k : i32, i32
    } do {
    ^bb0(%v: i32, %k: i32):
      %d = arith.divsi %v, %c2 : i32
      %m = arith.addi %k, %c1 : i32
      scf.yield %d, %m : i32, i32
    }
    %t = arith.addi %sum, %h#1 : i32
    %w2 = arith.maxsi %w, %h#1 : i32
    %j = arith.addi %i, %c1 : i32
    scf.yield %j, %t, %w2 : i32, i32, i32
  }
  return %r#1, %r#2 : i32, i32
}
""",
    "for_tensor": """
// Power iteration: x = normalized(A x), n times; with slices and insertion of each norm.
func.func @main(%a: tensor<3x3xf32>, %x: tensor<3xf32>, %n: index) -> (tensor<3xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %norms = tensor.empty(%n) : tensor<?xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%v = %x, %ns = %norms) -> (tensor<3xf32>, tensor<?xf32>) {
    %e = tensor.empty() : tensor<3xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %y = linalg.matvec ins(%a, %v : tensor<3x3xf32>, tensor<3xf32>) outs(%f : tensor<3xf32>) -> tensor<3xf32>
    %se = tensor.empty() : tensor<f32>
    %sf = linalg.fill ins(%zero : f32) outs(%se : tensor<f32>) -> tensor<f32>
    %sq = linalg.dot ins(%y, %y : tensor<3xf32>, tensor<3xf32>) outs(%sf : tensor<f32>) -> tensor<f32>
    %s = tensor.extract %sq[] : tensor<f32>
    %norm = math.sqrt %s : f32
    %d = linalg.fill ins(%norm : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %z = linalg.div ins(%y, %d : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %ns2 = tensor.insert %norm into %ns[%i] : tensor<?xf32>
    scf.yield %z, %ns2 : tensor<3xf32>, tensor<?xf32>
  }
  return %r#0, %r#1 : tensor<3xf32>, tensor<?xf32>
}
""",
    "tensorops": """
func.func @main(%x: tensor<4x6xf32>, %from: index, %len: index) -> (
    tensor<?x6xf32>, tensor<24xf32>, tensor<6x4xf32>, tensor<5x8xf32>, tensor<2x2x6xf32>) {
  %s = tensor.extract_slice %x[%from, 0] [%len, 6] [1, 1] : tensor<4x6xf32> to tensor<?x6xf32>
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
  %e = tensor.empty() : tensor<6x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x6xf32>) outs(%e : tensor<6x4xf32>) permutation = [1, 0]
  %zero = arith.constant 7.0 : f32
  %p = tensor.pad %x low[1, 1] high[0, 1] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<4x6xf32> to tensor<5x8xf32>
  %ex = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf32> into tensor<2x2x6xf32>
  return %s, %flat, %t, %p, %ex :
    tensor<?x6xf32>, tensor<24xf32>, tensor<6x4xf32>, tensor<5x8xf32>, tensor<2x2x6xf32>
}
""",
    "generate": """
// linalg.fill of an argument, arith.select on scalars, scf.if without else.
func.func @main(%x: f64, %k: i8) -> (tensor<3xf64>, f64, i8, i1) {
  %e = tensor.empty() : tensor<3xf64>
  %s = linalg.fill ins(%x : f64) outs(%e : tensor<3xf64>) -> tensor<3xf64>
  %one = arith.constant 1.0 : f64
  %c = arith.cmpf olt, %x, %one : f64
  %m = arith.select %c, %x, %one : f64
  %k2 = arith.addi %k, %k : i8
  return %s, %m, %k2, %c : tensor<3xf64>, f64, i8, i1
}
""",
    "conv": """
func.func @main(%img: tensor<1x5x5x2xf32>, %k: tensor<3x3x2x4xf32>, %bias: tensor<4xf32>) -> tensor<1x3x3x4xf32> {
  %e = tensor.empty() : tensor<1x3x3x4xf32>
  %b = linalg.broadcast ins(%bias : tensor<4xf32>) outs(%e : tensor<1x3x3x4xf32>) dimensions = [0, 1, 2]
  %c = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
    ins(%img, %k : tensor<1x5x5x2xf32>, tensor<3x3x2x4xf32>) outs(%b : tensor<1x3x3x4xf32>) -> tensor<1x3x3x4xf32>
  %z = arith.constant 0.0 : f32
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x3x3x4xf32>) -> tensor<1x3x3x4xf32>
  %r = linalg.max ins(%c, %f : tensor<1x3x3x4xf32>, tensor<1x3x3x4xf32>) outs(%e : tensor<1x3x3x4xf32>)
    -> tensor<1x3x3x4xf32>
  %m = linalg.map { math.exp } ins(%r : tensor<1x3x3x4xf32>) outs(%e : tensor<1x3x3x4xf32>)
  return %m : tensor<1x3x3x4xf32>
}
""",
}
