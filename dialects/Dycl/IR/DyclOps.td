//===- DyclOps.td - Operations of the dycl dialect ----------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DYCL_OPS
#define DYCL_OPS

include "dialects/Dycl/IR/DyclAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Dycl_Op<string mnemonic, list<Trait> traits = []> : Op<Dycl_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// The host program
//===----------------------------------------------------------------------===//

def Dycl_ProgramOp : Dycl_Op<"program", [
    FunctionOpInterface, IsolatedFromAbove, SingleBlock]> {
  let summary = "The host program: control flow over region calls";
  let description = [{
    The program's entry. Its body is structured control flow (`scf.if`, `scf.while`, `scf.for`, `scf.index_switch`)
    over `dycl.invoke`, arithmetic on scalars (loop counters, predicates) and constants; it computes nothing on the
    contents of a tensor. `--dycl-verify-host` checks that; the op itself only checks what holds in every phase.

    Arguments and results are tensors. An argument's `dycl.name` says how the user knows it.

    A program whose regions run on several devices names the device where its arguments, results and constants lie:
    its `home`. What a region takes from another device then comes through `dycl.transfer`.

    Constraints:

    - (C1) the body is one block, ended by `dycl.return` with operands of the result types (checked there);
    - (C2) arguments and results are ranked tensors;
    - (C3) it has a body: the host program is never only declared.

    Example:

    ```mlir
    dycl.program @main(%x: tensor<4xf32> {dycl.name = "x"}) -> tensor<4xf32> {
      %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      dycl.return %0 : tensor<4xf32>
    }
    ```
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name,
    TypeAttrOf<FunctionType>:$function_type,
    OptionalAttr<StrAttr>:$sym_visibility,
    OptionalAttr<DictArrayAttr>:$arg_attrs,
    OptionalAttr<DictArrayAttr>:$res_attrs,
    OptionalAttr<StrAttr>:$home);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The body, for interfaces; a program is never only declared.
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }

    /// The user's name of argument `index`, or "arg" and its number.
    std::string getArgumentName(unsigned index);

    bool isDeclaration() { return false; }
  }];
}

def Dycl_ReturnOp : Dycl_Op<"return", [
    Pure, HasParent<"::dycl::ProgramOp">, ReturnLike, Terminator]> {
  let summary = "Ends the host program";
  let description = [{
    Gives the program's results, in number and type those of `dycl.program`.

    Example:

    ```mlir
    dycl.return %0, %1 : tensor<4xf32>, tensor<i1>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
  let hasVerifier = 1;
}

def Dycl_InvokeOp : Dycl_Op<"invoke", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Calls a region";
  let description = [{
    Calls the region `callee`. Operands and results are tensors, which stay on the device, and scalars (`i1`, `i64`,
    `f64`, `index`), which the host reads.

    Constraints:

    - (C1) `callee` is a `dycl.region` or, before the phase `partition`, a `func.func`;
    - (C2) operand and result types are those of the region.

    Example:

    ```mlir
    %0:2 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> (tensor<8xf32>, i1)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$operands);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = "$callee `(` $operands `)` attr-dict `:` functional-type($operands, $results)";
}

def Dycl_TransferOp : Dycl_Op<"transfer", [Pure, AllTypesMatch<["source", "result"]>]> {
  let summary = "Copies a tensor from one device to another";
  let description = [{
    The tensor `source`, which lies on the device `from`, on the device `to`. Devices have the names of targets. Scalars
    belong to the host and need none. A constant is not copied on each call: each device that uses it holds its own.

    Constraints:

    - (C1) `from` and `to` are names, and differ;
    - (C2) it is in a `dycl.program`.

    Example:

    ```mlir
    %1 = dycl.transfer %0 from "llvm-cpu" to "vulkan" : tensor<1x16x32x32xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, StrAttr:$from, StrAttr:$to);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source `from` $from `to` $to attr-dict `:` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Regions and parameters
//===----------------------------------------------------------------------===//

def Dycl_RegionOp : Dycl_Op<"region", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A control-flow-free piece of the network, compiled on its own";
  let description = [{
    Describes an outlined region to the host and to the compiler driver: its type, the module whose function of the
    same name is its code, the keys of the parameters it reads, what a call costs, and optionally the target it is
    compiled for and, as `affinity`, the device it runs on in a program of several. The op's location is where the region starts in the user's source.

    Constraints:

    - (C1) `module`, when given, names a module beside this op that defines a function of the region's name and type;
    - (C2) `parameters` holds strings, none twice.

    Example:

    ```mlir
    dycl.region @region_0 : (tensor<1x3x8x8xf32>) -> (tensor<1x8x8x8xf32>, i1)
        {cost = #dycl.cost<flops = 27648, bytes = 3713>, module = @region_0_module,
         parameters = ["conv.bias", "conv.weight"], target = "llvm-cpu"}
    ```
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name,
    TypeAttrOf<FunctionType>:$function_type,
    OptionalAttr<StrAttr>:$sym_visibility,
    OptionalAttr<FlatSymbolRefAttr>:$module,
    OptionalAttr<StrArrayAttr>:$parameters,
    OptionalAttr<Dycl_CostAttr>:$cost,
    OptionalAttr<StrAttr>:$target,
    OptionalAttr<StrAttr>:$affinity);
  let assemblyFormat = "$sym_name `:` $function_type attr-dict";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                                 "::mlir::ModuleOp":$module), [{
    $_state.getOrAddProperties<Properties>().sym_name = $_builder.getStringAttr(name);
    $_state.getOrAddProperties<Properties>().function_type = ::mlir::TypeAttr::get(type);
    $_state.getOrAddProperties<Properties>().module = ::mlir::FlatSymbolRefAttr::get(module.getSymNameAttr());
  }]>];
  let extraClassDeclaration = [{
    bool isDeclaration() { return false; }
  }];
}

def Dycl_ParameterOp : Dycl_Op<"parameter", [Pure]> {
  let summary = "A weight, by name";
  let description = [{
    The value of the weight `key` of the parameter archive. The data is not in the IR: weights of any size cost
    nothing to parse and print, and every region that uses one names the same entry.

    The op does not fold, so that it is never hoisted out of the branch that uses it, and it is cloned into each
    region rather than passed.

    Constraints:

    - (C1) `key` is not empty;
    - (C2) the result has a static shape.

    Example:

    ```mlir
    %w = dycl.parameter "layer1.0.conv1.weight" : tensor<16x3x3x3xf32>
    // Where the dialect is not registered (torch-mlir):
    %w = "dycl.parameter"() <{key = "layer1.0.conv1.weight"}> : () -> tensor<16x3x3x3xf32>
    ```
  }];
  let arguments = (ins StrAttr:$key);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$key attr-dict `:` type($result)";
  let hasVerifier = 1;
}

#endif // DYCL_OPS
