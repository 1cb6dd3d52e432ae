//===- Passes.td - The passes of dycl -----------------------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each description gives input, output, limits and an example; the example is a test in test/passes/<flag>/basic.mlir.
//
//===----------------------------------------------------------------------===//

#ifndef DYCL_PASSES
#define DYCL_PASSES

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// Phase optimize
//===----------------------------------------------------------------------===//

def DyclVerifyInputPass : Pass<"dycl-verify-input", "::mlir::ModuleOp"> {
  let summary = "Check what the phase `import` hands over";
  let description = [{
    Input: any module. Output: the same module, or diagnostics at the user's operations.

    - (I1) the entry exists, has a body, takes and gives ranked tensors, and numbers of 1, 8, 16, 32 or 64 bits;
    - (I2) the module holds functions, each of one block: control flow is structured (`scf`);
    - (I3) no function is recursive;
    - (I4) values are ranked tensors and scalars, no memrefs;
    - (I5) no operation of `torch` or `onnx` is left, calls are direct and to functions with a body, nothing is
      outlined yet;
    - (I6) loops can end: none counts to the largest integer (the trace of an exit test that torch-mlir dropped), none
      has a condition that is always true;
    - (I7) a parameter has one type wherever it is read.

    Example:

    ```mlir
    // error: loop counts to the largest integer; its exit test was lost before it came here
    %0 = scf.for %i = %c0 to %c9223372036854775807 step %c1 iter_args(%a = %x) -> (tensor<4xf32>) { ... }
    ```
  }];
  let options = [Option<"entry", "entry", "std::string", "\"main\"", "Name of the function that is the program">];
}

def DyclSelectEntryPass : Pass<"dycl-select-entry", "::mlir::ModuleOp"> {
  let summary = "Make the function that is the program @main, and all others private";
  let description = [{
    Input: a module that somebody wrote. Output: the same, its program public and named `main`, all other functions
    private, so that `symbol-dce` drops those that it does not call; or a diagnostic. The program is the function that
    `entry` names; without a name `@main`, or else the only public function that has a body.

    Example:

    ```mlir
    func.func private @scale(%x: tensor<4xf32>) -> tensor<4xf32> { ... }
    func.func @forward(%x: tensor<4xf32>) -> tensor<4xf32> { ... }
    // becomes
    func.func private @scale(%x: tensor<4xf32>) -> tensor<4xf32> { ... }
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> { ... }
    ```
  }];
  let options = [Option<"entry", "entry", "std::string", "\"\"", "Name of the function that is the program">];
}

def DyclTensorizeEntryPass : Pass<"dycl-tensorize-entry", "::mlir::ModuleOp"> {
  let summary = "Make the numbers that the entry takes and gives tensors of rank 0";
  let description = [{
    Input: an entry of one block that takes and gives ranked tensors and numbers. Output: the same with a tensor of rank 0
    for each number, since the host holds nothing else; of i64 for an `index`.

    Example:

    ```mlir
    func.func @main(%n: index) -> f32 {
      ...
      return %r : f32
    }
    // becomes
    func.func @main(%arg: tensor<i64>) -> tensor<f32> {
      %0 = tensor.extract %arg[] : tensor<i64>
      %n = arith.index_cast %0 : i64 to index
      ...
      %1 = tensor.from_elements %r : tensor<f32>
      return %1 : tensor<f32>
    }
    ```
  }];
  let options = [Option<"entry", "entry", "std::string", "\"main\"", "Name of the function that is the program">];
  let statistics = [Statistic<"numTensorized", "num-tensorized", "Numbers made tensors">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def DyclInlineCallsPass : Pass<"dycl-inline-calls", "::mlir::ModuleOp"> {
  let summary = "Inline every call, so that the entry is the whole program";
  let description = [{
    Input: functions of one block, none recursive. Output: the entry alone, with the bodies of the functions in place of
    the calls. Operations keep their locations. Upstream's inliner does not do: it asserts on an unregistered operation
    with a body (`tm_tensor`), and nests a call site in the location a call.

    Example:

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = func.call @body(%x) : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    func.func private @body(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    // becomes
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = math.exp %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
  }];
  let options = [Option<"entry", "entry", "std::string", "\"main\"", "Name of the function that is the program">];
  let statistics = [Statistic<"numInlined", "num-inlined", "Calls inlined">];
}

def DyclStripElementAssertsPass : Pass<"dycl-strip-element-asserts", "::mlir::ModuleOp"> {
  let summary = "Drop assertions inside the bodies of tensor operations";
  let description = [{
    Input: a module. Output: the same without `cf.assert` in the bodies of tensor operations (`linalg.generic`, …).
    Assertions of the program itself stay.

    torch-mlir guards some element-wise operations, e.g. `aten.reciprocal` against zero, where eager PyTorch gives an
    infinity. IREE drops such assertions; until then they look like side effects and pin batch norms in place.

    Example:

    ```mlir
    %0 = linalg.generic … {
      %1 = arith.cmpf one, %in, %zero : f32
      cf.assert %1, "unimplemented: tensor with zero element"
      %2 = arith.divf %one, %in : f32
      linalg.yield %2 : f32
    }
    // becomes
    %0 = linalg.generic … {
      %1 = arith.cmpf one, %in, %zero : f32
      %2 = arith.divf %one, %in : f32
      linalg.yield %2 : f32
    }
    ```
  }];
  let statistics = [Statistic<"numStripped", "num-stripped", "Assertions dropped">];
}

def DyclThreadBranchesPass : Pass<"dycl-thread-branches", "::mlir::ModuleOp"> {
  let summary = "Follow a flag from the branch that sets it to the branch it decides";
  let description = [{
    Input: structured functions. Output: the same, where an `scf.if` on a flag that an earlier `scf.if` of the same
    block sets to a constant in each branch (or in the branches of an `scf.if` nested at a branch's end) is gone: its
    branches stand where the flag is set. This is how "did it return?" flags of early exits vanish.

    A second `scf.if` on the same condition is threaded likewise when it is the same test of the user's (same source
    line, or none); two tests that the user wrote stay two decisions.

    Limits: a branch with operations is moved only if its value of the flag is set at one place, so that no code is
    duplicated; what stands between the two must be movable before the first.

    Example:

    ```mlir
    %0:2 = scf.if %p -> (tensor<4xf32>, i1) {
      scf.yield %exit, %true : tensor<4xf32>, i1
    } else {
      scf.yield %x, %false : tensor<4xf32>, i1
    }
    %1 = scf.if %0#1 -> (tensor<4xf32>) {
      scf.yield %0#0 : tensor<4xf32>
    } else {
      %2 = math.exp %0#0 : tensor<4xf32>
      scf.yield %2 : tensor<4xf32>
    }
    // becomes (results that nobody reads left out)
    %1 = scf.if %p -> (tensor<4xf32>) {
      scf.yield %exit : tensor<4xf32>
    } else {
      %2 = math.exp %x : tensor<4xf32>
      scf.yield %2 : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numThreaded", "num-threaded", "Tests of a flag removed">];
}

def DyclSinkIntoBranchesPass : Pass<"dycl-sink-into-branches", "::mlir::ModuleOp"> {
  let summary = "Move an operation into the one branch that uses it";
  let description = [{
    Input: structured functions. Output: the same, where each operation whose results are used in only one branch of an
    `scf.if` or `scf.index_switch` is in that branch, so that the other paths do not compute it. Like upstream's
    `control-flow-sink`, but it also moves `tm_tensor` operations, which are not registered here.

    Limits: an operation used in two branches stays; nothing moves into a loop.

    Example:

    ```mlir
    %0 = math.exp %x : tensor<4xf32>
    %1 = scf.if %p -> (tensor<4xf32>) { scf.yield %0 : tensor<4xf32> } else { scf.yield %x : tensor<4xf32> }
    // becomes
    %1 = scf.if %p -> (tensor<4xf32>) {
      %0 = math.exp %x : tensor<4xf32>
      scf.yield %0 : tensor<4xf32>
    } else {
      scf.yield %x : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numSunk", "num-sunk", "Operations moved into a branch">];
}

def DyclPromoteIntegersPass : Pass<"dycl-promote-integers", "::mlir::ModuleOp"> {
  let summary = "Carry integers of the host as scalars instead of tensors";
  let description = [{
    Input: structured functions. Output: the same, where integers of Python's that branches or loops hand on as
    `tensor<i64>` or `tensor<i1>` are `i64` and `i1`, and `linalg.generic` on nothing else is the arithmetic in its
    body. The host then counts and compares by itself, where a region would be called for each.

    Limits: all values between which an integer flows are promoted, or none. Each has to start from a constant or a
    scalar that the host has anyway, nothing may read one but `tensor.extract` (an output of the program stays a tensor,
    as does what a region indexes by), and the arithmetic is what Python does exactly: none that might overflow, where
    Python's integers do not wrap. What a loop adds up is taken not to, if it grows by at most 2^20 at a time.

    Example:

    ```mlir
    %0 = scf.if %p -> (tensor<i64>) { scf.yield %one : tensor<i64> } else { scf.yield %zero : tensor<i64> }
    %1 = linalg.generic … ins(%0, %two : tensor<i64>, tensor<i64>) outs(%empty : tensor<i1>) {
    ^bb0(%a: i64, %b: i64, %out: i1):
      %2 = arith.cmpi eq, %a, %b : i64
      linalg.yield %2 : i1
    } -> tensor<i1>
    %3 = tensor.extract %1[] : tensor<i1>
    // becomes
    %0 = scf.if %p -> (i64) { scf.yield %c1 : i64 } else { scf.yield %c0 : i64 }
    %3 = arith.cmpi eq, %0, %c2 : i64
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::ub::UBDialect"];
  let statistics = [Statistic<"numPromoted", "num-promoted", "Tensors that became scalars">];
}

def DyclFoldIntegerRangesPass : Pass<"dycl-fold-integer-ranges", "::mlir::ModuleOp"> {
  let summary = "Decide what the range of an integer decides";
  let description = [{
    Input: structured functions. Output: the same, where an integer or flag of the host that has one value on all paths,
    by upstream's integer range analysis, is that constant. A branch that cannot be taken is gone after a clean-up, and
    its decision with it.

    Limits: unlike upstream's `int-range-optimizations`, the pass changes nothing inside of tensor operations. The
    analysis does not learn from conditions, so what a loop counts has any value.

    Example:

    ```mlir
    %0 = scf.if %p -> (i64) { scf.yield %c1 : i64 } else { scf.yield %c0 : i64 }
    %1 = arith.cmpi eq, %0, %c2 : i64
    %2 = scf.if %1 -> (tensor<4xf32>) { … } else { … }
    // becomes
    %0 = scf.if %p -> (i64) { scf.yield %c1 : i64 } else { scf.yield %c0 : i64 }
    %2 = scf.if %false -> (tensor<4xf32>) { … } else { … }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numFolded", "num-folded", "Values found constant">];
}

def DyclRotateLoopsPass : Pass<"dycl-rotate-loops", "::mlir::ModuleOp"> {
  let summary = "Compute a loop's next condition together with its body";
  let description = [{
    Input: structured functions. Output: the same, where an `scf.while` whose condition computes on tensors computes it
    before the loop and at the end of the body. An iteration is then one region call instead of two, and the first
    condition joins the region before the loop. The condition is evaluated exactly as often as before.

    Limits: a condition that holds control flow stays where it is, and so does one that is arithmetic on scalars,
    which the host does.

    Example:

    ```mlir
    %0 = scf.while (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
      %p = "tm_tensor.test"(%a) : (tensor<4xf32>) -> i1
      scf.condition(%p) %a : tensor<4xf32>
    } do {
    ^bb0(%a: tensor<4xf32>):
      %1 = math.exp %a : tensor<4xf32>
      scf.yield %1 : tensor<4xf32>
    }
    // becomes
    %p0 = "tm_tensor.test"(%x) : (tensor<4xf32>) -> i1
    %0 = scf.while (%p = %p0, %a = %x) : (i1, tensor<4xf32>) -> tensor<4xf32> {
      scf.condition(%p) %a : tensor<4xf32>
    } do {
    ^bb0(%a: tensor<4xf32>):
      %1 = math.exp %a : tensor<4xf32>
      %p1 = "tm_tensor.test"(%1) : (tensor<4xf32>) -> i1
      scf.yield %p1, %1 : i1, tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"numRotated", "num-rotated", "Loops rotated">];
}

def DyclTrimWindowsPass : Pass<"dycl-trim-windows", "::mlir::func::FuncOp"> {
  let summary = "Cut off what no window of a convolution or a pool reaches";
  let description = [{
    Input: a function with `linalg` convolutions and pools on tensors. Output: the same, where an image of which one
    window, the only one along a dimension, does not reach all (five rows, a kernel of two and a stride of four) is cut to
    what it reaches.

    IREE 3.13 leaves out loops that run once, and takes the size of the image for that of the window then: a pool of a
    dynamic width adds the rows that the window does not reach, and a convolution is not compiled.

    Limits: a single window; of several, the image is right as it is.

    Example:

    ```mlir
    %1 = linalg.pooling_nchw_sum {strides = dense<2> : vector<2xi64>}
           ins(%x, %w : tensor<1x1x3x?xf32>, tensor<2x2xf32>) outs(%0 : tensor<1x1x1x?xf32>) -> tensor<1x1x1x?xf32>
    // becomes
    %slice = tensor.extract_slice %x[0, 0, 0, 0] [1, 1, 2, %n] [1, 1, 1, 1] : tensor<1x1x3x?xf32> to tensor<1x1x2x?xf32>
    %1 = linalg.pooling_nchw_sum … ins(%slice, %w : tensor<1x1x2x?xf32>, tensor<2x2xf32>) …
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numTrimmed", "num-trimmed", "Images cut">];
}

def DyclMaterializePoisonPass : Pass<"dycl-materialize-poison", "::mlir::ModuleOp"> {
  let summary = "Give a value to what is undefined on a path but computed with";
  let description = [{
    Input: structured functions. Output: the same, where a `ub.poison` that reaches a computation through branches and
    loops is zeros of its type. One that control flow only passes on stays: the host keeps it as `None`. After sinking,
    a computation reached by poison is one whose result that path does not read, so any value will do; it only has
    to exist, because a region call takes no `None`.

    A computation on the other side of a branch whose condition tells that the value is undefined is not reached: what
    yields the poison, or carries it through a loop, yields or carries that condition beside it, a constant, or a number
    that is compared with one.

    Of a dynamic size, the stand-in has zero. It is made where the value is passed only to what computes nothing then:
    where its size alone is asked for, where it is transposed, and in other elementwise and structured operations whose
    loops are over its own dynamic sizes or over static ones.

    Limits: no stand-in is made for a tensor of dynamic shape that is computed with otherwise, say, added to another;
    that is an error at the value.

    Example:

    ```mlir
    %0 = scf.if %p -> (tensor<4xf32>) {
      scf.yield %x : tensor<4xf32>
    } else {
      %1 = ub.poison : tensor<4xf32>
      scf.yield %1 : tensor<4xf32>
    }
    %2 = math.exp %0 : tensor<4xf32>
    // becomes
    %0 = scf.if %p -> (tensor<4xf32>) {
      scf.yield %x : tensor<4xf32>
    } else {
      %1 = arith.constant dense<0.000000e+00> : tensor<4xf32>
      scf.yield %1 : tensor<4xf32>
    }
    %2 = math.exp %0 : tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numMaterialized", "num-materialized", "Undefined values given a value">];
}

//===----------------------------------------------------------------------===//
// Phase outline
//===----------------------------------------------------------------------===//

def DyclOutlineRegionsPass : Pass<"dycl-outline-regions", "::mlir::ModuleOp"> {
  let summary = "Turn every control-flow-free piece of the program into a function";
  let description = [{
    Input: a module whose entry is a `func.func` of one block with structured control flow and no calls. Output: the
    entry as `dycl.program`, and private functions `@region_0`, `@region_1`, … in program order, called by
    `dycl.invoke`.

    What is control flow of the program: `scf.if`, `scf.while`, `scf.index_switch` and `scf.for`. Not control flow but
    computation is what is in the body of a tensor operation, and an `scf.for` with constant bounds that carries
    only scalars. (A loop with constant bounds that carries tensors runs on the host as well: IREE 3.13 rejects some
    of them with "circular dependency: input operation uses partition output".)

    What stays on the host: that control flow, and arithmetic on scalars that control flow needs and whose operands
    come from control flow (counters, combined predicates). Everything that touches a tensor is in a region; a
    predicate leaves its region as a scalar `i1`.

    What is in which region: a block with n control-flow operations has n+1 pieces around them. Operations without side
    effects may move between the pieces of their block, never into or out of a branch or loop, so nothing is computed
    that was not computed before. The pass picks the fewest pieces that give each operation a place; an operation
    stays in the piece that the user wrote it in if that is picked. So k early exits take k region calls on their
    longest path, k being the number of pieces that a decision waits for.

    Live-ins and live-outs are exact. Constants, parameters, and what is computed of nothing else (a transposed weight, a
    tensor of zeros) are sunk into each region that uses them, where IREE computes them once on loading; so are sizes
    and scalars computed from values at hand. None of them is passed.

    Limits: a value that leaves a region is a ranked tensor or one of `i1`, `i32`, `i64`, `index`, `f32`, `f64`.
    An unregistered operation outside `tm_tensor` is taken to have side effects and keeps its piece.

    Example:

    ```mlir
    func.func @main(%x: tensor<4xf32> {dycl.name = "x"}) -> tensor<4xf32> {
      %c0 = arith.constant 0 : index
      %0 = math.exp %x : tensor<4xf32>
      %1 = tensor.extract %0[%c0] : tensor<4xf32>
      %zero = arith.constant 0.0 : f32
      %p = arith.cmpf ogt, %1, %zero : f32
      %2 = scf.if %p -> (tensor<4xf32>) {
        %3 = math.sin %0 : tensor<4xf32>
        scf.yield %3 : tensor<4xf32>
      } else {
        scf.yield %x : tensor<4xf32>
      }
      return %2 : tensor<4xf32>
    }
    // becomes
    dycl.program @main(%x: tensor<4xf32> {dycl.name = "x"}) -> tensor<4xf32> {
      %0:2 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> (tensor<4xf32>, i1)
      %1 = scf.if %0#1 -> (tensor<4xf32>) {
        %2 = dycl.invoke @region_1(%0#0) : (tensor<4xf32>) -> tensor<4xf32>
        scf.yield %2 : tensor<4xf32>
      } else {
        scf.yield %x : tensor<4xf32>
      }
      dycl.return %1 : tensor<4xf32>
    }
    func.func private @region_0(%x: tensor<4xf32>) -> (tensor<4xf32>, i1) { … }
    func.func private @region_1(%0: tensor<4xf32>) -> tensor<4xf32> { … }
    ```
  }];
  let dependentDialects = ["::dycl::DyclDialect", "::mlir::func::FuncDialect"];
  let options = [Option<"entry", "entry", "std::string", "\"main\"", "Name of the function that is the program">];
  let statistics = [Statistic<"numOutlined", "num-outlined", "Regions made">];
}

def DyclSimplifyHostPass : Pass<"dycl-simplify-host", "::mlir::ModuleOp"> {
  let summary = "Turn regions that compute nothing into host assignments";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the same, where the host assigns what a region would
    only pass on: a result that is one of the region's arguments, or a constant that NumPy can hold and that is at most
    `max-constant-bytes` large. Results that no call reads, arguments that a region does not use and arguments that
    are equal in every call are dropped; a region without results is gone, and so is control flow left empty. Runs until
    nothing changes. A parameter stays the result of a region: its data is on the device already.

    These are the two graph optimizations of DyCL (Chen et al., ISSTA 2023, section 4.3).

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<2xi64>) {
      %0:2 = dycl.invoke @region_0(%x, %y) : (tensor<4xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<2xi64>)
      dycl.return %0#0, %0#1 : tensor<8xf32>, tensor<2xi64>
    }
    func.func private @region_0(%x: tensor<4xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<2xi64>) {
      %0 = arith.constant dense<[3, 5]> : tensor<2xi64>
      return %y, %0 : tensor<8xf32>, tensor<2xi64>
    }
    // becomes
    dycl.program @main(%x: tensor<4xf32>, %y: tensor<8xf32>) -> (tensor<8xf32>, tensor<2xi64>) {
      %0 = arith.constant dense<[3, 5]> : tensor<2xi64>
      dycl.return %y, %0 : tensor<8xf32>, tensor<2xi64>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
  let options = [Option<"maxConstantBytes", "max-constant-bytes", "int64_t", "1024",
                        "Largest constant tensor that the host holds">];
  let statistics = [
    Statistic<"numErased", "num-erased", "Regions removed">
  ];
}

def DyclMergeRegionsPass : Pass<"dycl-merge-regions", "::mlir::ModuleOp"> {
  let summary = "Compile the same code once";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the same, where regions with equal code (the same
    operations, attributes, parameters and types, whatever their locations) are one, called from each place. A gate
    that several blocks share, or a layer called in two branches, is then compiled once.

    Example:

    ```mlir
    %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = dycl.invoke @region_1(%0) : (tensor<4xf32>) -> tensor<4xf32>
    // becomes, if @region_0 and @region_1 have the same body
    %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = dycl.invoke @region_0(%0) : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let statistics = [Statistic<"numMerged", "num-merged", "Regions that were another one's code">];
}

def DyclFoldExtractedScalarsPass : Pass<"dycl-fold-extracted-scalars", "::mlir::func::FuncOp"> {
  let summary = "Compute a scalar of scalars without a tensor between";
  let description = [{
    Input: a region as a function. Output: the same, where a scalar that is extracted from a tensor of one integer, which
    is computed of scalars and constants alone, is computed as a scalar. Such a tensor is made on the host, and computed
    with and read on the device: of a size that is data, compared with a number (`if len(places) == 0:`), the size was read
    from the device, written to it again for the comparison, and the result read, which is two submissions, not one.

    Limits: integers and indices only, since IREE's VM has its own rounding; what may trap, as a division, stays on the
    device, as does what depends on a tensor that is computed there.

    Example:

    ```mlir
    %0 = linalg.fill ins(%size : i64) outs(%e : tensor<i64>) -> tensor<i64>
    %1 = linalg.generic ins(%0, %zero : tensor<i64>, tensor<i64>) outs(%f : tensor<i1>) { arith.cmpi eq … }
    %2 = tensor.extract %1[] : tensor<i1>
    // becomes
    %2 = arith.cmpi eq, %size, %c0 : i64
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"numFolded", "num-folded", "Scalars that no tensor holds any more">];
}

def DyclFoldExtractedSlicesPass : Pass<"dycl-fold-extracted-slices", "::mlir::func::FuncOp"> {
  let summary = "Read an element of a slice from what the slice is of";
  let description = [{
    Input: a region as a function. Output: the same, where an element that is read at a position which is data
    (`table[:, 1][places]`) is read from the whole tensor, not from a slice of it, nor from one that has lost dimensions
    of size one.

    IREE 3.13 takes the slice and the reading into one kernel, whose gather of vectors forgets the strides of the slice
    (other elements are read) or is not lowered. It also spares the copy.

    Example:

    ```mlir
    %0 = tensor.extract_slice %t[0, 1] [%n, 1] [1, 1] : tensor<?x2xi64> to tensor<?xi64>
    %1 = linalg.generic ins(%places) … { %2 = tensor.extract %0[%place] : tensor<?xi64> … }
    // becomes
    %1 = linalg.generic ins(%places) … { %2 = tensor.extract %t[%place, %c1] : tensor<?x2xi64> … }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def DyclFoldUniformTensorsPass : Pass<"dycl-fold-uniform-tensors", "::mlir::func::FuncOp"> {
  let summary = "Compute with the number of a tensor that holds one number only";
  let description = [{
    Input: a region as a function. Output: the same, where a sum, a maximum or the like over a dynamic size, of a tensor
    that is filled with a constant or computed elementwise of such, is computed from the number and the size.

    IREE 3.13 takes the constant into the reduction, which then has no operand that gives its loop a size: fused with
    another one, it counts vectors instead of elements (the mean of a loss whose classes are constant is **wrong**), or
    is given a stack of 2^53 bytes.

    Example:

    ```mlir
    %0 = linalg.fill ins(%true) outs(%e : tensor<?xi1>) -> tensor<?xi1>
    %1 = linalg.generic {iterator_types = ["reduction"]} ins(%0) outs(%init : tensor<i64>) { … arith.addi … }
    // becomes
    %n = tensor.dim %0, %c0
    %1 = linalg.generic {iterator_types = []} outs(%init : tensor<i64>) { … %out + 1 * %n … }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def DyclLegalizeScalarsPass : Pass<"dycl-legalize-scalars", "::mlir::ModuleOp"> {
  let summary = "Truncate scalars in a way that IREE computes rightly";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the same, where a conversion of a scalar to an integer
    first drops the fraction by floor or ceiling. IREE 3.13 runs scalars of a region in its VM, whose `arith.fptosi`
    rounds to the nearest (2 for 1.5), which makes `int(x.item())` decide wrongly, and which has no `math.trunc`.

    Limits: only scalars of the function itself; in the body of a tensor operation the conversion is right.

    Example:

    ```mlir
    %0 = arith.fptosi %x : f32 to i64
    // becomes
    %zero = arith.constant 0.000000e+00 : f32
    %1 = arith.cmpf olt, %x, %zero : f32
    %2 = math.ceil %x : f32
    %3 = math.floor %x : f32
    %4 = arith.select %1, %2, %3 : f32
    %0 = arith.fptosi %4 : f32 to i64
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
  let statistics = [Statistic<"numLegalized", "num-legalized", "Conversions made exact">];
}

def DyclProtectArgumentsPass : Pass<"dycl-protect-arguments", "::mlir::ModuleOp"> {
  let summary = "Copy what IREE would overwrite though others read it";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the same, where what may be written over is a copy, if
    it is an argument or others use it. Measured with IREE 3.13 on llvm-cpu: `tensor.insert`, `tensor.insert_slice`,
    `linalg.generic`, `linalg.matmul`, `tm_tensor.sort` and `tm_tensor.scan` write into the caller's buffer where an
    argument is their destination (iree-org/iree#16168). Buffers stay on the device between regions, so a later region
    would read what this one left. And where a region computes a size, which is read on the host in its middle, IREE may
    write in place before what waits for that size has read. IREE folds a plain copy and overwrites the tensor all the
    same; it keeps a choice by a condition that it cannot see through. It also makes one of two copies that are alike,
    and of two tensors that it finds to be the same: of two operations of `tm_tensor` that write into it, the second then
    finds what the first wrote. So what these write into is a copy wherever it is not made anew, and each copy has another
    number for elements that the condition would not choose.

    A tensor may be written over if it, or what may share its buffer (a view, a plain copy), is a destination, an
    initial value of a loop, or an operand of an unregistered operation. Of `tm_tensor` operations, which are such, the
    last operands are destinations, one for each result. Constants, fills and weights IREE makes anew, or never overwrites.

    Limits: needs unregistered dialects allowed, which `dycl-opt` does; elements are integers, floats, `index` or
    complex.

    Example:

    ```mlir
    func.func private @region_0(%x: tensor<3xf32>, %v: tensor<1xf32>) -> tensor<3xf32> {
      %0 = tensor.insert_slice %v into %x[0] [1] [1] : tensor<1xf32> into tensor<3xf32>
      return %0 : tensor<3xf32>
    }
    // becomes
    func.func private @region_0(%x: tensor<3xf32>, %v: tensor<1xf32>) -> tensor<3xf32> {
      %true = arith.constant true
      %opaque = "util.optimization_barrier"(%true) : (i1) -> i1
      %zero = arith.constant 0.000000e+00 : f32
      %empty = tensor.empty() : tensor<3xf32>
      %copy = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
                              iterator_types = ["parallel"]}
          ins(%x : tensor<3xf32>) outs(%empty : tensor<3xf32>) {
      ^bb0(%in: f32, %out: f32):
        %1 = arith.select %opaque, %in, %zero : f32
        linalg.yield %1 : f32
      } -> tensor<3xf32>
      %0 = tensor.insert_slice %v into %copy[0] [1] [1] : tensor<1xf32> into tensor<3xf32>
      return %0 : tensor<3xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::complex::ComplexDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numProtected", "num-protected", "Tensors copied">];
}

def DyclAnnotateCostPass : Pass<"dycl-annotate-cost", "::mlir::ModuleOp"> {
  let summary = "Note the FLOPs and bytes of each region";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the same, each region with a `dycl.cost`: arithmetic
    operations of one call (iteration space times operations of the body, so two a multiply-accumulate; changes of
    representation count nothing), and bytes of its operands, results and parameters.

    Limits: a dynamic size counts as one; `tm_tensor` operations and loops with unknown bounds count their body once.

    Example:

    ```mlir
    func.func private @region_0(%x: tensor<2x3xf32>) -> tensor<2x5xf32> {
      %w = dycl.parameter "w" : tensor<3x5xf32>
      %0 = tensor.empty() : tensor<2x5xf32>
      %1 = linalg.matmul ins(%x, %w : tensor<2x3xf32>, tensor<3x5xf32>) outs(%0 : tensor<2x5xf32>) -> tensor<2x5xf32>
      return %1 : tensor<2x5xf32>
    }
    // gets dycl.cost = #dycl.cost<flops = 60, bytes = 124>
    ```
  }];
  let dependentDialects = ["::dycl::DyclDialect"];
}

def DyclVerifyHostPass : Pass<"dycl-verify-host", "::dycl::ProgramOp"> {
  let summary = "Check that the host computes on no tensor";
  let description = [{
    Input: a `dycl.program`. Output: the same, or diagnostics at the operations that may not be in it. Legal are
    structured control flow, region calls, arithmetic on scalars that Python does exactly, constants, poison,
    `tensor.cast` and `arith.select` (which only name a tensor anew), over values that may cross a region's border.

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      // error: 'math.exp' is left in the host program
      %0 = math.exp %x : tensor<4xf32>
      dycl.return %0 : tensor<4xf32>
    }
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Phase partition
//===----------------------------------------------------------------------===//

def DyclPlaceRegionsPass : Pass<"dycl-place-regions", "::mlir::ModuleOp"> {
  let summary = "Give each region the device that it runs on";
  let description = [{
    Input: a `dycl.program` and its regions as functions, with their costs. Output: the same, each region with a
    `dycl.affinity`, and the program with its `home`: the first of `targets`, where its arguments, results, state and
    constants are. Devices have the names of targets.

    A rule `PATTERN=TARGET` places the regions whose name, or the `FILE:LINE` of a line that they compute (with or without
    the file's folder), matches PATTERN, a glob. Of several rules that match a region the last one counts. A region that no rule names is at
    home or, with `automatic`, where the program is expected to take the least time:

    - a region takes `CALL_US`, and the longer of flops / `GFLOPS` and bytes / `GBPS`;
    - a copy takes bytes / `LINK_GBPS` and `LINK_US` on either device, through the host's memory;
    - a branch goes each way equally often, a loop takes ten trips unless its bounds say, a dynamic size is one.

    | targets that begin with | GFLOPS | GBPS | CALL_US | LINK_GBPS | LINK_US |
    |---|---|---|---|---|---|
    | `llvm-cpu` | 50 | 10 | 5 | 10 | 1 |
    | `vulkan` | 1000 | 100 | 100 | 5 | 30 |
    | `cuda` | 10000 | 500 | 30 | 10 | 15 |

    These are orders of magnitude; `models` gives better ones. The least is found as a minimum cut, exactly for two
    targets; for more until no exchange between two of them helps.

    Limits: a region that is called from several places runs on one device. Costs do not predict time well.

    Example, with `targets=llvm-cpu,vulkan rules=region_1=vulkan`:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      %1 = dycl.invoke @region_1(%0) : (tensor<4xf32>) -> tensor<4xf32>
      dycl.return %1 : tensor<4xf32>
    }
    func.func private @region_0(%x: tensor<4xf32>) -> tensor<4xf32> { … }
    func.func private @region_1(%0: tensor<4xf32>) -> tensor<4xf32> { … }
    // becomes
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} { … }
    func.func private @region_0(…) -> tensor<4xf32> attributes {dycl.affinity = "llvm-cpu"} { … }
    func.func private @region_1(…) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"} { … }
    ```
  }];
  let dependentDialects = ["::dycl::DyclDialect"];
  let options = [
    ListOption<"targets", "targets", "std::string", "Devices to place regions on, the home first">,
    ListOption<"rules", "rules", "std::string", "Which region runs where, as PATTERN=TARGET">,
    Option<"automatic", "automatic", "bool", "false", "Place the other regions where the program costs least">,
    ListOption<"models", "models", "std::string",
               "What to expect of a target: TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US">
  ];
  let statistics = [Statistic<"numAway", "num-away", "Regions placed on another device than the home">];
}

def DyclInsertTransfersPass : Pass<"dycl-insert-transfers", "::mlir::ModuleOp"> {
  let summary = "Copy tensors to the devices that need them";
  let description = [{
    Input: a program with a `home`, and regions with affinities. Output: the same, where a tensor that a region, a result
    of the program or a join of control flow needs on another device than its own goes through a `dycl.transfer`. A
    program without a home stays as it is.

    What control flow joins or carries (results of a branch, values of a loop) is on one device whichever way was
    taken: that for which the fewest and smallest copies are expected, by the model of `--dycl-place-regions`.

    A tensor is copied to a device at most once each time it is computed. The copy is made where it is first needed, and
    only on paths that need it; but before a loop rather than in it, and before the first of several branches that need
    it. Scalars belong to the host and are never copied. Of a constant each device has its own.

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
      %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      %1 = dycl.invoke @region_1(%0) : (tensor<4xf32>) -> tensor<4xf32>
      dycl.return %1 : tensor<4xf32>
    }
    // with @region_1 on "vulkan" becomes
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
      %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      %1 = dycl.transfer %0 from "llvm-cpu" to "vulkan" : tensor<4xf32>
      %2 = dycl.invoke @region_1(%1) : (tensor<4xf32>) -> tensor<4xf32>
      %3 = dycl.transfer %2 from "vulkan" to "llvm-cpu" : tensor<4xf32>
      dycl.return %3 : tensor<4xf32>
    }
    ```
  }];
  let dependentDialects = ["::dycl::DyclDialect"];
  let statistics = [Statistic<"numTransfers", "num-transfers", "Transfers inserted">];
}

def DyclVerifyPlacementPass : Pass<"dycl-verify-placement", "::mlir::ModuleOp"> {
  let summary = "Check that every region finds its operands on its device";
  let description = [{
    Input: a program, before or after partitioning. Output: the same, or diagnostics where a tensor is needed on another
    device than it lies on, where the values that control flow joins lie on different ones, or where something is placed
    in a program without a home.

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
      // error: takes operand 0 on "vulkan"; it lies on "llvm-cpu"
      %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      dycl.return %x : tensor<4xf32>
    }
    dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32> {affinity = "vulkan"}
    ```
  }];
}

def DyclPartitionModulesPass : Pass<"dycl-partition-modules", "::mlir::ModuleOp"> {
  let summary = "Give each region a module of its own, or one with those of the same code";
  let description = [{
    Input: a `dycl.program` and its regions as functions. Output: the program, and for each region a `dycl.region` and
    the module that it names, which is all that `iree-compile` gets. A `dycl.parameter` becomes a load of a global
    that names the parameter in the archive; both are of IREE's `util` dialect and in generic form, as MLIR does not
    know it.

    Regions that differ in nothing but their weights (repeated blocks of a network) are functions of one module, named
    after the first of them: `iree-compile` makes machine code of one. A module is loaded as a whole, so they share
    one only while all their weights together have at most `max-shared-bytes`.

    Limits: needs unregistered dialects allowed, which `dycl-opt` does.

    Example:

    ```mlir
    func.func private @region_0() -> tensor<4xf32> attributes {dycl.cost = #dycl.cost<flops = 0, bytes = 32>} {
      %w = dycl.parameter "fc.bias" : tensor<4xf32>
      return %w : tensor<4xf32>
    }
    // becomes
    dycl.region @region_0 : () -> tensor<4xf32>
        {cost = #dycl.cost<flops = 0, bytes = 32>, module = @region_0_module, parameters = ["fc.bias"]}
    module @region_0_module {
      "util.global"() <{initial_value = #flow.parameter.named<"model"::"fc.bias"> : tensor<4xf32>,
                        sym_name = "fc_bias", sym_visibility = "private", type = tensor<4xf32>}> : () -> ()
      func.func @region_0() -> tensor<4xf32> {
        %w = "util.global.load"() <{global = @fc_bias}> : () -> tensor<4xf32>
        return %w : tensor<4xf32>
      }
    }
    ```
  }];
  let dependentDialects = ["::dycl::DyclDialect", "::mlir::func::FuncDialect"];
  let options = [Option<"target", "target", "std::string", "\"\"", "Target to note on every region">,
                 Option<"maxSharedBytes", "max-shared-bytes", "int64_t", "1 << 20",
                        "Weights of a module with several regions; -1 shares none">];
  let statistics = [Statistic<"numModules", "num-modules", "Modules made">];
}

def DyclLegalizeForSpirvPass : Pass<"dycl-legalize-for-spirv", "::mlir::func::FuncOp"> {
  let summary = "Write what IREE makes no SPIR-V of, or wrong, in another way";
  let description = [{
    Input: a region's function. Output: the same for the target vulkan, where

    - a reduction that is not short, or has a size that is not static, and a depthwise convolution compute each element
      by itself, with a loop in the body. What IREE 3.13 fuses with the first it keeps in shared memory ("uses … bytes of
      shared memory; exceeded the limit") or makes code of that drivers compile for minutes; of the second it left half
      of the elements unwritten. Products and convolutions of static sizes have no loops in the body;
    - what reduces, with a user that computes several elements of one of its results, as a product to which a matrix is
      added for each of a batch, is in a `flow.dispatch.region` of its own, or, if it keeps a dimension as 1, has its loop
      in the body. Fused with it by IREE 3.13 such users came out wrong at many sizes;
    - what computes i64 on tensors reads them in its body, at an index that IREE does not know, so that it does not
      vectorize it: it emulates i64, but not in all operations of vectors;
    - a quotient or remainder of i64 in the body of a tensor operation is one of i32, where both numbers are that short,
      or computed bit by bit, and an absolute value is a choice. IREE emulates i64 for SPIR-V, but not these.

    Loops that may be long are unrolled, as Mesa's lavapipe ends a thread's loops after 65,535 iterations.

    What was rewritten is in a `flow.dispatch.region` of its own, unless it gives i64 to what is rewritten too: users
    may be vectorized, and of a reduction each element of a user would reduce anew.

    Limits: one thread reduces alone, which is slow where it reduces much. A reduction stays where a result has not one
    element for each iteration of the parallel loops. Of a division by 0 the result is any number. Needs unregistered
    dialects allowed, which `dycl-opt` does.

    Example:

    ```mlir
    %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>],
                         iterator_types = ["reduction", "parallel"]}
        ins(%x : tensor<?x8xf32>) outs(%init : tensor<8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %1 = arith.addf %in, %out : f32
      linalg.yield %1 : f32
    } -> tensor<8xf32>
    // becomes
    %size = tensor.dim %x, %c0 : tensor<?x8xf32>
    %0 = "flow.dispatch.region"() <{operandSegmentSizes = array<i32: 0, 0>}> ({
      %1 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
          outs(%init : tensor<8xf32>) {
      ^bb0(%out: f32):
        %i = linalg.index 0 : index
        %2 = scf.for %k = %c0 to %size step %c1 iter_args(%sum = %out) -> (f32) {  // unrolled, in fact
          %in = tensor.extract %x[%k, %i] : tensor<?x8xf32>
          %3 = arith.addf %in, %sum : f32
          scf.yield %3 : f32
        }
        linalg.yield %2 : f32
      } -> tensor<8xf32>
      "flow.return"(%1) : (tensor<8xf32>) -> ()
    }, {}) : () -> tensor<8xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::affine::AffineDialect"];
  let statistics = [Statistic<"numReductions", "num-reductions", "Operations that reduce in their body">,
                    Statistic<"numBroadcast", "num-broadcast", "Reductions apart from users that broadcast them">,
                    Statistic<"numLongOps", "num-long-ops", "Operations on i64 that read in their body">,
                    Statistic<"numDivisions", "num-divisions", "Divisions of i64 expanded">];
}

//===----------------------------------------------------------------------===//
// For CPUs
//===----------------------------------------------------------------------===//

def DyclChannelsLastPass : Pass<"dycl-channels-last", "::mlir::func::FuncOp"> {
  let summary = "Compute on images with their channels innermost";
  let description = [{
    Input: a function, with or without control flow. Output: the same, where 2-D convolutions, with groups too, depthwise
    ones and pools of nchw are of nhwc, as is what follows them: operations element by element, borders, concatenations,
    slices, reductions, gathers (`tensor.extract`), the results of branches, and what loops carry to their next iteration.
    Transpositions meet and cancel between them; what is left are those at arguments and results, and before operations
    that nothing is known of.

    Limits: a reduction that asks for its indices (`linalg.index`) stays as it is.

    Example (types and `outs` left out):

    ```mlir
    %0 = linalg.conv_2d_nchw_fchw ins(%x, %w0) outs(%init)
    %1 = linalg.generic … ins(%0) { … }
    %2 = linalg.conv_2d_nchw_fchw ins(%1, %w1) outs(%init)
    // becomes
    %x1 = linalg.transpose ins(%x) permutation = [0, 2, 3, 1]
    %0 = linalg.conv_2d_nhwc_hwcf ins(%x1, %w0_hwcf) outs(%init1)
    %1 = linalg.generic … ins(%0) { … }
    %2 = linalg.conv_2d_nhwc_hwcf ins(%1, %w1_hwcf) outs(%init1)
    %3 = linalg.transpose ins(%2) permutation = [0, 3, 1, 2]
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::ub::UBDialect"];
}

class TilePass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "0", "Bits of a vector register of the target; 0 tiles nothing">,
    Option<"registers", "registers", "unsigned", "0", "Vector registers that the target has">,
    ListOption<"tuning", "tuning", "std::string",
               "What was measured to be faster than the rules for an operation, as KEY:NAME=NUMBER:... (`passes/Utils/"
               "Tuning.h`)">,
    Option<"listChoices", "list-choices", "bool", "false",
           "List in the attribute tile_choices of a function what may be chosen of its operations">
  ];
  let statistics = [Statistic<"numTiled", "num-tiled", "Operations that became dispatches">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def DyclWinogradConvolutionsPass : TilePass<"dycl-winograd-convolutions"> {
  let summary = "Compute 3x3 convolutions of stride 1 with fewer products";
  let description = [{
    Input: a region's module, with images of nhwc. Output: the same, where a convolution of 3x3 with stride 1, of f32 by
    a parameter, is two `flow.dispatch.workgroups`, if that is expected to be faster (`passes/Utils/TileRules.h`):

    - the first transforms tiles of 6x6 (or 4x4) pixels, into as many values a tile and channel: `[36, tiles, C]`. A
      border of zeros that is still to be added to the image is not: what is outside is read as zeros;
    - the second multiplies each of them with weights, which were transformed when the program was compiled, sums over
      channels, and transforms the sums to the 4x4 (or 2x2) outputs of the tile: a quarter (4/9) of the multiply-adds of
      the convolution. A workgroup computes a block of output channels; what follows element by element is computed in
      it, and the border of zeros stored, as by `--dycl-tile-convolutions`.

    Tiles that do not divide the image are shifted back. Weights are stored as `[F/V][36][C][V]`, 4 (or 1.8) times as
    many as there were: `conv.weight@winograd(4)@blocks(32)`. The values are those at the points 0, infinity, and the
    square roots of 2 and 1/2 with both signs, with which results are about as exact as those of the convolution.

    Limits: where an input is infinite or not a number, all outputs of its tile are. Others stay as they are: other
    kernels, strides and dilations, dynamic sizes, fewer channels than a vector has numbers, weights that would take
    more than 16 MiB. Needs unregistered dialects allowed, which `dycl-opt` does.

    Example, with `vector-bits=512 registers=32`:

    ```mlir
    %w = "util.global.load"() <{global = @conv_weight}> : () -> tensor<3x3x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf ins(%x, %w) outs(%zeros) -> tensor<1x16x16x64xf32>
    // becomes
    %w = "util.global.load"() <{global = @conv_weight_winograd_4__blocks_32_}> : () -> tensor<2x36x64x32xf32>
    %v = "flow.dispatch.workgroups"(%c4, %c1, %c1, %x) ({ … }) : … -> tensor<36x16x64xf32>
    %0 = "flow.dispatch.workgroups"(%c2, %c1, %c1, %v, %w) ({ … }) : … -> tensor<1x16x16x64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect"];
}

def DyclTileConvolutionsPass : TilePass<"dycl-tile-convolutions"> {
  let summary = "Compute convolutions in dispatches with tiles and weights in an order of ours";
  let description = [{
    Input: a region's module, with images of nhwc. Output: the same, where a convolution of f32 by a parameter is a
    `flow.dispatch.workgroups` of its own:

    - a workgroup computes a block of output channels, of some rows; tiles keep their results in registers
      (`passes/Utils/TileRules.h`). Tiles that do not divide the width are equal, and the last is shifted back;
    - weights are stored by blocks, `[F/V][KH][KW][C][V]`, as another parameter of the archive, whose key says how it
      is made: `conv.weight@blocks(32)`. Where there are fewer channels than a vector has numbers, the block is a part
      of a vector that zeros fill, and the channels that there are are cut out of the result;
    - what follows element by element, a bias, an activation, a residual, is computed in it;
    - where the next convolution reads the result with a border of zeros, the result is stored with it, so that no
      padding is ever copied. What needs no border reads within it.

    Limits: static sizes; both weights and images in f32; depthwise, at least as many channels as a vector has numbers.
    Others stay as they are. Needs unregistered dialects allowed, which `dycl-opt` does.

    Example, with `vector-bits=512 registers=32`:

    ```mlir
    %w = "util.global.load"() <{global = @conv_weight}> : () -> tensor<3x3x64x64xf32>
    %0 = linalg.conv_2d_nhwc_hwcf ins(%x, %w) outs(%zeros) -> tensor<1x8x8x64xf32>
    // becomes
    %w = "util.global.load"() <{global = @conv_weight_blocks_32_}> : () -> tensor<2x3x3x64x32xf32>
    %0 = "flow.dispatch.workgroups"(%c2, %c1, %c1, %x, %w) ({
      … linalg.conv_2d_nhwc_hwcf {compilation_info = …} ins(%image, %block : …, tensor<3x3x64x32xf32>) …
    }, { … })
    ```
  }];
}

def DyclTileGroupsPass : TilePass<"dycl-tile-groups"> {
  let summary = "Compute grouped convolutions in one dispatch each";
  let description = [{
    Input: a region's module, with images of nhwc. Output: the same, where a grouped convolution of f32 by a parameter is
    one `flow.dispatch.workgroups`, of loops over vectors of output channels:

    - a vector holds channels of one group, which a number of the input is multiplied with; or of several whole groups,
      where these are small: the channels of a pixel are then brought in place within the vector, so that nothing is
      multiplied with zeros;
    - the sums of a tile of pixels stay in registers (`passes/Utils/TileRules.h`). What is read of the input is
      multiplied with all columns of the kernel. Tiles that do not divide are shifted back;
    - weights are stored by these vectors, `[F/V][KH][KW][C][V]`, or `[F/V][G][KH][KW][C][V]` with F channels a group;
    - what follows element by element, and the border of zeros, are as by `--dycl-tile-convolutions`.

    Limits: static sizes; groups with less outputs than a vector has numbers and more inputs than twice as many; what
    follows has to be computable by vectors. Others stay as they are, for `--dycl-split-groups`. Needs unregistered
    dialects allowed, which `dycl-opt` does.

    Example, with `vector-bits=256 registers=16`:

    ```mlir
    %w = "util.global.load"() <{global = @conv_weight}> : () -> tensor<32x4x3x3x4xf32>
    %x1 = tensor.expand_shape %x [[0], [1], [2], [3, 4]] … into tensor<1x9x9x32x4xf32>
    %0 = linalg.conv_2d_nhwgc_gfhwc ins(%x1, %w) outs(%zeros) -> tensor<1x7x7x32x4xf32>
    %1 = tensor.collapse_shape %0 [[0], [1], [2], [3, 4]] : tensor<1x7x7x32x4xf32> into tensor<1x7x7x128xf32>
    // becomes
    %w = "util.global.load"() <{global = @conv_weight_transpose…_blocks_8_}> : () -> tensor<16x3x3x4x8xf32>
    %1 = "flow.dispatch.workgroups"(%c16, %c1, %c1, %x, %w) ({ … vector.fma … }) : … -> tensor<1x7x7x128xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect"];
}

def DyclSplitGroupsPass : Pass<"dycl-split-groups", "::mlir::ModuleOp"> {
  let summary = "Make a grouped convolution one of each group";
  let description = [{
    Input: any module. Output: the same, where a 2-D convolution with groups is a plain one of each, on slices of the
    channels, whose results are concatenated. IREE computes a grouped one as a scalar loop, at 1 to 2 GFLOP/s. Groups
    with few output channels are computed on nchw, which is faster there. Groups of one input channel stay.

    Example (types and `outs` left out):

    ```mlir
    %0 = linalg.conv_2d_ngchw_gfchw ins(%x, %w) : tensor<1x2x4x9x9xf32>, …
    // becomes
    %w0 = tensor.extract_slice %w[0, 0, 0, 0, 0] …
    %x0 = tensor.extract_slice %nchw[0, 0, 0, 0] [1, 4, 9, 9] [1, 1, 1, 1]
    %r0 = linalg.conv_2d_nchw_fchw ins(%x0, %w0)
    … the same for %r1, from channel 4
    %0 = tensor.concat dim(1) %r0, %r1
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def DyclIsolateScattersPass : Pass<"dycl-isolate-scatters", "::mlir::func::FuncOp"> {
  let summary = "Compute what scatters read before them";
  let description = [{
    Input: a region. Output: the same, where what a `tm_tensor.scatter` takes its values or its places from, if it is an
    operation of `linalg`, is in a `flow.dispatch.region` of its own. IREE 3.13 puts it into the scatter's dispatch, and
    keeps all of what it computes on the stack: `zeros(5, 64).index_add(0, i, x * 2)` of 3,000 rows does not compile
    ("exceeded stack allocation limit"), nor that of a size that is known at run time only. What is the same in each call
    stays: IREE computes that at load.

    It has to run after whatever else writes dispatches. Needs unregistered dialects allowed, which `dycl-opt` does.

    Example (types left out):

    ```mlir
    %0 = linalg.generic ins(%x) outs(%init) { … }
    %1 = "tm_tensor.scatter"(%0, %places, %zeros) ({ … })
    // becomes
    %0 = "flow.dispatch.region"() ({
      %2 = linalg.generic ins(%x) outs(%init) { … }
      "flow.return"(%2)
    }, {})
    %1 = "tm_tensor.scatter"(%0, %places, %zeros) ({ … })
    ```
  }];
  let statistics = [Statistic<"numIsolated", "num-isolated", "Operations put into dispatch regions">];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def DyclTileConcatenationsPass : Pass<"dycl-tile-concatenations", "::mlir::ModuleOp"> {
  let summary = "Join channels of images in dispatches of ours";
  let description = [{
    Input: a region's module after `--dycl-tile-convolutions`. Output: the same, where a concatenation of channels of
    images of nhwc in f32 is a `flow.dispatch.workgroups` that goes over rows and pixels, and copies the channels of each
    as vectors. Parts that other dispatches computed are read where they lie, within their borders. IREE alone transposes
    each part, joins them as nchw, and transposes the result.

    Limits: static sizes, up to 4096 channels, more than one pixel; no part or result that is transposed anyway. Others
    stay as they are. A border of zeros around the result is IREE's: stored in the same dispatch, copies were scalar
    (0.7 us became 9 for 204 channels of 8x8 pixels). Needs unregistered dialects allowed, which `dycl-opt` does.

    Example:

    ```mlir
    %0 = tensor.concat dim(3) %x, %y : (tensor<1x8x8x24xf32>, tensor<1x8x8x6xf32>) -> tensor<1x8x8x30xf32>
    // becomes
    %0 = "flow.dispatch.workgroups"(%c1, %c2, %x, %y) ({
      scf.for %row … { scf.for %column … { … } }
    }, { … })
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "0", "Bits of a vector register of the target; 0 tiles nothing">,
    Option<"registers", "registers", "unsigned", "0", "Vector registers that the target has">
  ];
  let statistics = [Statistic<"numTiled", "num-tiled", "Operations that became dispatches">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def DyclTilePixelsPass : Pass<"dycl-tile-pixels", "::mlir::ModuleOp"> {
  let summary = "Pool and resize images in dispatches of ours, by vectors of channels";
  let description = [{
    Input: a region's module after `--dycl-tile-convolutions`. Output: the same, where an operation that combines pixels
    of an image of nhwc in f32, channel by channel, is a `flow.dispatch.workgroups` of loops over pixels and vectors of
    channels. IREE alone reads channel by channel what does not fill its vectors, and gathers number by number.

    - Pooling (`linalg.pooling_nhwc_max`, `_sum`) reads the image without its border: beyond the image nothing is added,
      and a maximum takes another pixel of the same window. NaN in a window gives NaN.
    - A sum over all pixels (the global average) likewise.
    - Resizing is what `dycl.frontend.resizing` writes: along rows, columns or both, sums of gathers by tables of indices
      (`tensor.extract`), each times a table of weights. The dispatch reads the tables, and each pixel once for all of
      its channels.

    What follows element by element is computed in the dispatch, and the border of zeros that the next convolution
    reads is stored, as by `--dycl-tile-convolutions`. Where channels do not fill the last vector, it is shifted back;
    fewer than one vector has are a shorter vector.

    Limits: static sizes; windows that all have a pixel of the image; what follows has to be computable by vectors.
    Others stay as they are. Needs unregistered dialects allowed, which `dycl-opt` does.

    Example, with `vector-bits=256 registers=16`:

    ```mlir
    %p = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] { … -inf } : tensor<1x8x8x24xf32> to tensor<1x10x10x24xf32>
    %0 = linalg.pooling_nhwc_max {strides = dense<2> …} ins(%p, %window) outs(%lowest) -> tensor<1x4x4x24xf32>
    // becomes
    %0 = "flow.dispatch.workgroups"(%c1, %c1, %x) ({
      … scf.for %y … { scf.for %x … { scf.for %vector … { vector.transfer_read … arith.maximumf … } } }
    }, { … }) : … -> tensor<1x4x4x24xf32>
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "0", "Bits of a vector register of the target; 0 tiles nothing">,
    Option<"registers", "registers", "unsigned", "0", "Vector registers that the target has">
  ];
  let statistics = [Statistic<"numTiled", "num-tiled", "Operations that became dispatches">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect"];
}

def DyclTileProductsPass : TilePass<"dycl-tile-products"> {
  let summary = "Compute products in dispatches with tiles and weights in an order of ours";
  let description = [{
    Input: a region's module. Output: the same, where

    - a product `[M, K] x [K, N]` of f32, whose second operand is a parameter, is a `flow.dispatch.workgroups` of its own,
      like the convolutions of `--dycl-tile-convolutions`: weights are stored as `[N/V][K][V]`, and what follows element
      by element is computed in it. Dimensions of 1, reshapes and transpositions between the two are moved out of the way,
      and what is computed on the vector that one row is, is computed on the row;
    - where data counts the rows, there are dispatches for tiles of a power of two each, and the largest that there are
      rows for is chosen; the last tile is shifted back;
    - a `linalg.batch_matmul` of static sizes (attention) is a dispatch too, that reads its operands, and stores its
      result, through transpositions which leave a workgroup's piece as it is.

    Limits: N at least as many as a vector has numbers. Others stay as they are. Needs unregistered dialects allowed,
    which `dycl-opt` does.

    Example, with `vector-bits=512 registers=32`:

    ```mlir
    %w = "util.global.load"() <{global = @fc_weight}> : () -> tensor<1024x256xf32>
    %wt = linalg.transpose ins(%w) permutation = [1, 0]
    %0 = linalg.matmul ins(%x, %wt : tensor<128x256xf32>, tensor<256x1024xf32>) outs(%zeros)
    // becomes
    %w = "util.global.load"() <{global = @fc_weight_transpose_1_0__blocks_64_}> : () -> tensor<16x256x64xf32>
    %0 = "flow.dispatch.workgroups"(%c1, %c16, %x, %w) ({
      … linalg.matmul {compilation_info = …} ins(%rows, %block : tensor<128x256xf32>, tensor<256x64xf32>) …
    }, { … })
    ```
  }];
}

def DyclCollectParametersPass : Pass<"dycl-collect-parameters", "::mlir::ModuleOp"> {
  let summary = "List the parameters that each region reads";
  let description = [{
    Input: a partitioned module, whose regions' modules were rewritten. Output: the same, where each `dycl.region` names
    the parameters that its function loads, and globals that nothing loads are gone.

    Example:

    ```mlir
    dycl.region @region_0 : () -> tensor<4xf32> {module = @region_0_module, parameters = ["fc.weight"]}
    // with a function that loads the global of "fc.bias" becomes
    dycl.region @region_0 : () -> tensor<4xf32> {module = @region_0_module, parameters = ["fc.bias"]}
    ```
  }];
}

//===----------------------------------------------------------------------===//
// The host as a VM module
//===----------------------------------------------------------------------===//

def DyclConvertHostPass : Pass<"dycl-convert-host", "::mlir::ModuleOp"> {
  let summary = "Turn the host program into functions that IREE compiles for its VM";
  let description = [{
    Input: a partitioned module. Output: a module `@host` with the control flow alone: regions are external functions,
    named `MODULE.REGION` as IREE links compiled modules, and tensors `!hal.buffer_view`, so that IREE has nothing to
    compute here. Two functions are public:

    - `main`: the program in its initial state. It takes the inputs, without the state, whose initial values come from
      the parameter scope "state" by the names of the arguments, and gives all that the program gives.
    - `main_recorded`: takes the state as well, and gives last a list of its decisions, two numbers each: twice the
      predicate, plus one where the decision is no truth value but a case or a number of trips; and the decision, as
      `decide` of host.py is told it.

    A constant tensor is made once, on loading. A value that no path reads is null, or zeros where a region call takes
    it. `--dycl-host-pipeline` lowers `scf` to `cf` afterwards.

    A `dycl.transfer` becomes a call of a function `transfer_FROM_TO_RANK`, which copies through memory that the GPU
    allocates and the host sees. It gets the devices by imports `device_KIND.get`, from a module for each: KIND is
    "local" for llvm-cpu, and "vulkan".

    Limits: a program on several devices has one llvm-cpu and one vulkan. Needs unregistered dialects allowed, which `dycl-opt` does, for IREE's `util` and `hal`.

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0:2 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> (tensor<4xf32>, i1)
      %1 = scf.if %0#1 -> (tensor<4xf32>) { … } else { … }
      dycl.return %1 : tensor<4xf32>
    }
    dycl.region @region_0 : (tensor<4xf32>) -> (tensor<4xf32>, i1) {module = @region_0_module}
    // becomes
    func.func private @region_0_module.region_0(!hal.buffer_view) -> (!hal.buffer_view, i1)
    func.func private @run(%x: !hal.buffer_view, %decisions: !util.list<i64>) -> !hal.buffer_view {
      %0:2 = call @region_0_module.region_0(%x) : (!hal.buffer_view) -> (!hal.buffer_view, i1)
      %d = arith.extui %0#1 : i1 to i64
      %k = arith.constant 0 : i64
      call @record(%decisions, %k, %d) : (!util.list<i64>, i64, i64) -> ()
      %1 = scf.if %0#1 -> (!hal.buffer_view) { … } else { … }
      return %1 : !hal.buffer_view
    }
    func.func @main(%x: !hal.buffer_view) -> !hal.buffer_view { … }
    func.func @main_recorded(%x: !hal.buffer_view) -> (!hal.buffer_view, !util.list<i64>) { … }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::func::FuncDialect"];
  let options = [Option<"numState", "num-state", "unsigned", "0", "How many of the last arguments are state">];
}

def DyclCarryInListPass : Pass<"dycl-carry-in-list", "::mlir::func::FuncOp"> {
  let summary = "Pass values from block to block in a list, not as operands of branches";
  let description = [{
    Input: a function over `!hal.buffer_view`, whose control flow is branches between blocks (`cf`). Output: the same,
    where no block but the first takes a value: a branch puts what it passes into a list, from which the block takes it at
    once. Integers and flags are in it as i64.

    IREE 3.13's register allocation moves a reference that is an operand of a branch although it is needed again (passed
    twice, or used behind the branch), and what needs it finds null (iree-org/iree#24781). Lists count their references.
    Likewise the register of a number that is passed becomes that of the block's argument, although the number is needed
    again: `n == 0` was always true where a branch had passed 0 as `n`.

    Limits: needs unregistered dialects allowed, which `dycl-opt` does, for IREE's `util` and `hal`.

    Example:

    ```mlir
    func.func private @run(%x: !hal.buffer_view, %p: i1) -> !hal.buffer_view {
      cf.cond_br %p, ^bb1, ^bb2(%x : !hal.buffer_view)
    ^bb1:
      %0 = call @region_0_module.region_0(%x) : (!hal.buffer_view) -> !hal.buffer_view
      cf.br ^bb2(%0 : !hal.buffer_view)
    ^bb2(%1: !hal.buffer_view):
      return %1 : !hal.buffer_view
    }
    // becomes
    func.func private @run(%x: !hal.buffer_view, %p: i1) -> !hal.buffer_view {
      %list = "util.list.create"(%c1) : (index) -> !util.list<?>
      "util.list.resize"(%list, %c1) : (!util.list<?>, index) -> ()
      %null = "util.null"() : () -> !hal.buffer_view
      cf.cond_br %p, ^bb1, ^bb2
    ^bb1:
      %0 = call @region_0_module.region_0(%x) : (!hal.buffer_view) -> !hal.buffer_view
      "util.list.set"(%list, %c0, %0) : (!util.list<?>, index, !hal.buffer_view) -> ()
      cf.br ^bb3
    ^bb2:
      "util.list.set"(%list, %c0, %x) : (!util.list<?>, index, !hal.buffer_view) -> ()
      cf.br ^bb3
    ^bb3:
      %1 = "util.list.get"(%list, %c0) : (!util.list<?>, index) -> !hal.buffer_view
      "util.list.set"(%list, %c0, %null) : (!util.list<?>, index, !hal.buffer_view) -> ()
      return %1 : !hal.buffer_view
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect"];
  let statistics = [Statistic<"numCarried", "num-carried", "Tensors that blocks take from the list">];
}

#endif // DYCL_PASSES
