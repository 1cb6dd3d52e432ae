//===- ConvertHost.cpp - The host program as functions for IREE's VM ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensors become `!hal.buffer_view`, the form in which they cross the border of a compiled module. So IREE sees no
// tensor here: nothing to allocate, copy or schedule between two region calls, and no control flow over tensors, of
// which its compiler refuses some (scf.index_switch in scf.for).
//
//===----------------------------------------------------------------------===//

#include "dialects/Dycl/IR/DyclOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/Passes.h"
#include "passes/Utils/HostValues.h"
#include "passes/Utils/IreeOps.h"
#include "passes/Utils/Regions.h"
#include "passes/Utils/VmTransfers.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLCONVERTHOSTPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

/// The scope of the initial values of the program's state in an archive.
static constexpr llvm::StringLiteral kStateScope = "state";

namespace {

/// Builds the module that IREE compiles, out of a program.
class HostConverter {
public:
  HostConverter(ModuleOp module, ProgramOp program, unsigned numState)
      : module(module), program(program), numState(numState), builder(module.getContext()),
        bufferView(getIreeType(module.getContext(), "hal", "buffer_view")),
        listType(getIreeType(module.getContext(), "util", "list<i64>")), predicates(numberPredicates(program)),
        home(program.getHomeAttr()), transfers(module) {}

  void convert();

private:
  Type convertType(Type type) const { return isa<RankedTensorType>(type) ? bufferView : type; }
  SmallVector<Type> convertTypes(TypeRange types) const;

  void declareRegions();
  void defineRecord();
  func::FuncOp defineRun();
  void defineMain(func::FuncOp run);
  void defineMainRecorded(func::FuncOp run);

  void convertOp(Operation *op);
  void recordDecision(Operation *op);
  void record(Location location, unsigned predicate, Value decision);
  Value countTrips(scf::ForOp loop);

  Operation *createUtil(Location location, StringRef name, ValueRange operands, TypeRange results,
                        ArrayRef<NamedAttribute> properties = {});
  Value createExport(Location location, Value tensor);
  std::string defineConstant(Location location, TypedAttr value, StringAttr device);
  Value loadConstant(Location location, TypedAttr value, StringAttr device);

  void placePoison();
  void convertConstantTransfers();
  StringAttr getDevice(Operation *computation);

  ModuleOp module;
  ProgramOp program;
  unsigned numState;
  OpBuilder builder;
  Type bufferView;
  Type listType;
  llvm::DenseMap<Operation *, unsigned> predicates;
  StringAttr home; ///< null where everything runs on one device
  VmTransfers transfers;
  DenseMap<Operation *, StringAttr> poisonDevices;
  DenseMap<std::pair<Attribute, Attribute>, std::string> constants; ///< by value and device
  func::FuncOp recordFunction;
  Value decisions; ///< the list that `run` fills
};

SmallVector<Type> HostConverter::convertTypes(TypeRange types) const {
  return llvm::map_to_vector(types, [&](Type type) { return convertType(type); });
}

//===----------------------------------------------------------------------===//
// Operations of IREE, which MLIR does not know
//===----------------------------------------------------------------------===//

Operation *HostConverter::createUtil(Location location, StringRef name, ValueRange operands, TypeRange results,
                                     ArrayRef<NamedAttribute> properties) {
  return createIreeOp(builder, location, name, operands, results, properties);
}

/// The buffer view of a tensor.
Value HostConverter::createExport(Location location, Value tensor) {
  return createUtil(location, "hal.tensor.export", tensor, bufferView,
                    {builder.getNamedAttr("operandSegmentSizes", builder.getDenseI32ArrayAttr({1, 0})),
                     builder.getNamedAttr("source_encoding", TypeAttr::get(tensor.getType()))})
      ->getResult(0);
}

/// A global with the buffer view of a constant tensor on a device, made when the module is loaded. Returns its name.
std::string HostConverter::defineConstant(Location location, TypedAttr value, StringAttr device) {
  std::string &name = constants[{value, device}];
  if (!name.empty())
    return name;
  name = "constant_" + std::to_string(constants.size() - 1);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(module.getBody());
  createUtil(location, "util.global", {}, {},
             {builder.getNamedAttr("sym_name", builder.getStringAttr(name)),
              builder.getNamedAttr("sym_visibility", builder.getStringAttr("private")),
              builder.getNamedAttr("type", TypeAttr::get(bufferView))});
  NamedAttribute type = builder.getNamedAttr("function_type", TypeAttr::get(builder.getFunctionType({}, {})));
  Operation *initializer = createIreeOp(builder, location, "util.initializer", {}, {}, type, /*numRegions=*/1);
  builder.setInsertionPointToStart(&initializer->getRegion(0).emplaceBlock());
  Value tensor = createExport(location, arith::ConstantOp::create(builder, location, value));
  if (device != home)
    tensor = transfers.createCopy(builder, location, tensor, cast<RankedTensorType>(value.getType()).getRank(), home,
                                  device);
  createUtil(location, "util.global.store", tensor, {},
             builder.getNamedAttr("global", FlatSymbolRefAttr::get(builder.getContext(), name)));
  createUtil(location, "util.return", {}, {});
  return name;
}

Value HostConverter::loadConstant(Location location, TypedAttr value, StringAttr device) {
  std::string name = defineConstant(location, value, device);
  return createUtil(location, "util.global.load", {}, bufferView,
                    builder.getNamedAttr("global", FlatSymbolRefAttr::get(builder.getContext(), name)))
      ->getResult(0);
}

//===----------------------------------------------------------------------===//
// Decisions
//===----------------------------------------------------------------------===//

/// A function that appends two numbers to a list: which predicate, and its decision.
void HostConverter::defineRecord() {
  Location location = program.getLoc();
  Type number = builder.getI64Type();
  recordFunction =
      func::FuncOp::create(builder, location, "record", builder.getFunctionType({listType, number, number}, {}));
  recordFunction.setPrivate();
  OpBuilder::InsertionGuard guard(builder);
  Block *block = recordFunction.addEntryBlock();
  builder.setInsertionPointToStart(block);
  Value list = block->getArgument(0);
  Value size = createUtil(location, "util.list.size", list, builder.getIndexType())->getResult(0);
  Value one = arith::ConstantIndexOp::create(builder, location, 1);
  Value second = arith::AddIOp::create(builder, location, size, one);
  Value newSize = arith::AddIOp::create(builder, location, second, one);
  createUtil(location, "util.list.resize", {list, newSize}, {});
  createUtil(location, "util.list.set", {list, size, block->getArgument(1)}, {});
  createUtil(location, "util.list.set", {list, second, block->getArgument(2)}, {});
  func::ReturnOp::create(builder, location);
}

void HostConverter::record(Location location, unsigned predicate, Value decision) {
  Type type = decision.getType();
  uint64_t code = 2 * predicate + (type.isInteger(1) ? 0 : 1);
  if (type.isInteger(1))
    decision = arith::ExtUIOp::create(builder, location, builder.getI64Type(), decision);
  else if (type.isIndex())
    decision = arith::IndexCastOp::create(builder, location, builder.getI64Type(), decision);
  Value number = arith::ConstantIntOp::create(builder, location, builder.getI64Type(), code);
  func::CallOp::create(builder, location, recordFunction, ValueRange{decisions, number, decision});
}

Value HostConverter::countTrips(scf::ForOp loop) {
  Location location = loop.getLoc();
  Value zero = arith::ConstantOp::create(builder, location, builder.getZeroAttr(loop.getStep().getType()));
  Value distance = arith::SubIOp::create(builder, location, loop.getUpperBound(), loop.getLowerBound());
  Value one = arith::ConstantOp::create(builder, location, builder.getIntegerAttr(loop.getStep().getType(), 1));
  Value last = arith::SubIOp::create(builder, location, loop.getStep(), one);
  Value rounded = arith::AddIOp::create(builder, location, distance, last);
  Value trips = arith::DivSIOp::create(builder, location, rounded, loop.getStep());
  Value isEmpty = arith::CmpIOp::create(builder, location, arith::CmpIPredicate::sle, distance, zero);
  return arith::SelectOp::create(builder, location, isEmpty, zero, trips);
}

/// Records what `op` decides, at the place where host.py calls `decide`.
void HostConverter::recordDecision(Operation *op) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  unsigned predicate = predicates.lookup(op);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return record(op->getLoc(), predicate, branch.getCondition());
  if (auto branch = dyn_cast<scf::IndexSwitchOp>(op))
    return record(op->getLoc(), predicate, branch.getArg());
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return record(op->getLoc(), predicate, countTrips(loop));
  scf::ConditionOp condition = cast<scf::WhileOp>(op).getConditionOp();
  builder.setInsertionPoint(condition);
  record(op->getLoc(), predicate, condition.getCondition());
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

/// The device that a computation takes its tensors from; home where there is none.
StringAttr HostConverter::getDevice(Operation *computation) {
  if (auto cast = dyn_cast_or_null<tensor::CastOp>(computation))
    return getDevice(findComputation(cast.getResult()));
  if (auto transfer = dyn_cast_or_null<TransferOp>(computation))
    return transfer.getFromAttr();
  auto invoke = dyn_cast_or_null<InvokeOp>(computation);
  StringAttr affinity = invoke ? getAffinity(module.lookupSymbol<RegionOp>(invoke.getCallee())) : StringAttr();
  return affinity ? affinity : home;
}

/// Finds where a value is needed that no path reads, of which each use gets one of its own: they may be on several
/// devices.
void HostConverter::placePoison() {
  SmallVector<ub::PoisonOp> all;
  program.walk([&](ub::PoisonOp poison) { all.push_back(poison); });
  for (ub::PoisonOp poison : all) {
    builder.setInsertionPoint(poison);
    for (OpOperand &use : llvm::make_early_inc_range(llvm::drop_begin(poison->getUses())))
      use.set(builder.clone(*poison)->getResult(0));
  }
  program.walk([&](ub::PoisonOp poison) {
    if (Operation *computation = findComputation(poison.getResult()))
      poisonDevices[poison] = getDevice(computation);
  });
}

/// A constant tensor is not copied in each call: the device that uses it holds its own.
void HostConverter::convertConstantTransfers() {
  SmallVector<TransferOp> all;
  program.walk([&](TransferOp transfer) { all.push_back(transfer); });
  for (TransferOp transfer : all) {
    auto constant = transfer->getOperand(0).getDefiningOp<arith::ConstantOp>();
    if (!constant)
      continue;
    builder.setInsertionPoint(transfer);
    Value copy = loadConstant(transfer.getLoc(), constant.getValue(), transfer.getToAttr());
    transfer.replaceAllUsesWith(copy);
    transfer.erase();
    if (constant->use_empty())
      constant.erase();
  }
}

//===----------------------------------------------------------------------===//
// The body
//===----------------------------------------------------------------------===//

void HostConverter::convertOp(Operation *op) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op);
  Location location = op->getLoc();
  auto replaceWith = [&](ValueRange values) {
    op->replaceAllUsesWith(values);
    op->erase();
  };
  if (auto invoke = dyn_cast<InvokeOp>(op)) {
    auto region = module.lookupSymbol<RegionOp>(invoke.getCallee());
    std::string callee = (region.getModule().value_or("") + "." + region.getSymName()).str();
    auto call =
        func::CallOp::create(builder, location, callee, convertTypes(invoke.getResultTypes()), invoke.getOperands());
    return replaceWith(call.getResults());
  }
  if (auto transfer = dyn_cast<TransferOp>(op))
    return replaceWith(transfers.createCopy(builder, location, op->getOperand(0), transfer.getType().getRank(),
                                            transfer.getFrom(), transfer.getTo()));
  if (isa<tensor::CastOp>(op)) // The shape is the buffer view's own.
    return replaceWith(op->getOperands());
  if (auto end = dyn_cast<ReturnOp>(op)) {
    func::ReturnOp::create(builder, location, end.getOperands());
    return op->erase();
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (isa<RankedTensorType>(constant.getType()))
      replaceWith(loadConstant(location, constant.getValue(), home));
    return;
  }
  if (auto poison = dyn_cast<ub::PoisonOp>(op)) {
    Type type = poison.getType();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && !findComputation(poison.getResult()))
      return replaceWith(createUtil(location, "util.null", {}, bufferView)->getResults());
    // A region call takes no null, although it does not read the value.
    if (tensor) {
      TypedAttr zero = builder.getZeroAttr(getStandInType(tensor, 1));
      return replaceWith(loadConstant(location, zero, poisonDevices.lookup(poison)));
    }
    return replaceWith(arith::ConstantOp::create(builder, location, builder.getZeroAttr(type))->getResults());
  }
  if (predicates.contains(op))
    recordDecision(op);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// A declaration for each region that is called: IREE links it to the function of that name in the module of that name.
void HostConverter::declareRegions() {
  llvm::SetVector<StringAttr> called;
  program.walk([&](InvokeOp invoke) { called.insert(invoke.getCalleeAttr().getAttr()); });
  for (StringAttr name : called) {
    auto region = module.lookupSymbol<RegionOp>(name);
    FunctionType type = region.getFunctionType();
    std::string import = (region.getModule().value_or("") + "." + region.getSymName()).str();
    auto function =
        func::FuncOp::create(builder, region.getLoc(), import,
                             builder.getFunctionType(convertTypes(type.getInputs()), convertTypes(type.getResults())));
    function.setPrivate();
  }
}

/// The program, with a list of its decisions as a further argument.
func::FuncOp HostConverter::defineRun() {
  SmallVector<Type> inputs = convertTypes(program.getArgumentTypes());
  inputs.push_back(listType);
  auto run = func::FuncOp::create(builder, program.getLoc(), "run",
                                  builder.getFunctionType(inputs, convertTypes(program.getResultTypes())));
  run.setPrivate();
  if (home) {
    OpBuilder::InsertionGuard guard(builder);
    convertConstantTransfers();
    placePoison();
  }
  SmallVector<Operation *> operations;
  program.getBody().walk([&](Operation *op) { operations.push_back(op); });
  decisions = program.getBody().addArgument(listType, program.getLoc());
  for (Operation *op : operations)
    convertOp(op);
  run.getBody().takeBody(program.getBody());
  auto convertValue = [&](Value value) { value.setType(convertType(value.getType())); };
  llvm::for_each(run.getBody().getArguments(), convertValue);
  run.getBody().walk([&](Operation *op) {
    llvm::for_each(op->getResults(), convertValue);
    for (Region &region : op->getRegions())
      llvm::for_each(region.getArguments(), convertValue);
  });
  return run;
}

/// The program in its initial state: takes the inputs alone, gives what the program gives.
void HostConverter::defineMain(func::FuncOp run) {
  OpBuilder::InsertionGuard guard(builder);
  Location location = program.getLoc();
  unsigned numInputs = program.getArgumentTypes().size() - numState;
  SmallVector<std::string> states;
  for (unsigned index = numInputs; index < program.getArgumentTypes().size(); ++index) {
    std::string name = "state_" + std::to_string(states.size());
    std::string data = "parameter.named<\"" + kStateScope.str() + "\"::\"";
    llvm::raw_string_ostream stream(data);
    llvm::printEscapedString(program.getArgumentName(index), stream);
    stream << "\">";
    Type type = program.getArgumentTypes()[index];
    createUtil(location, "util.global", {}, {},
               {builder.getNamedAttr("initial_value", OpaqueAttr::get(builder.getStringAttr("flow"), data, type)),
                builder.getNamedAttr("sym_name", builder.getStringAttr(name)),
                builder.getNamedAttr("sym_visibility", builder.getStringAttr("private")),
                builder.getNamedAttr("type", TypeAttr::get(type))});
    states.push_back(name);
  }
  auto inputs = run.getFunctionType().getInputs().take_front(numInputs);
  auto main = func::FuncOp::create(builder, location, program.getSymName(),
                                   builder.getFunctionType(inputs, run.getFunctionType().getResults()));
  Block *block = main.addEntryBlock();
  builder.setInsertionPointToStart(block);
  SmallVector<Value> arguments(block->getArguments());
  for (auto [index, name] : llvm::enumerate(states)) {
    Operation *load = createUtil(location, "util.global.load", {}, program.getArgumentTypes()[numInputs + index],
                                 builder.getNamedAttr("global", FlatSymbolRefAttr::get(builder.getContext(), name)));
    arguments.push_back(createExport(location, load->getResult(0)));
  }
  Value zero = arith::ConstantIndexOp::create(builder, location, 0);
  arguments.push_back(createUtil(location, "util.list.create", zero, listType)->getResult(0));
  auto call = func::CallOp::create(builder, location, run, arguments);
  func::ReturnOp::create(builder, location, call.getResults());
}

/// The program that takes its state too, and gives its decisions last.
void HostConverter::defineMainRecorded(func::FuncOp run) {
  OpBuilder::InsertionGuard guard(builder);
  Location location = program.getLoc();
  SmallVector<Type> results(run.getFunctionType().getResults());
  results.push_back(listType);
  auto main = func::FuncOp::create(builder, location, (program.getSymName() + "_recorded").str(),
                                   builder.getFunctionType(run.getFunctionType().getInputs().drop_back(), results));
  Block *block = main.addEntryBlock();
  builder.setInsertionPointToStart(block);
  SmallVector<Value> arguments(block->getArguments());
  Value zero = arith::ConstantIndexOp::create(builder, location, 0);
  Value list = createUtil(location, "util.list.create", zero, listType)->getResult(0);
  arguments.push_back(list);
  SmallVector<Value> values(func::CallOp::create(builder, location, run, arguments).getResults());
  values.push_back(list);
  func::ReturnOp::create(builder, location, values);
}

void HostConverter::convert() {
  builder.setInsertionPoint(program);
  declareRegions();
  defineRecord();
  func::FuncOp run = defineRun();
  defineMain(run);
  defineMainRecorded(run);
  program.erase();
  for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
    if (isa<RegionOp, ModuleOp>(op))
      op.erase();
  module.setSymName("host");
}

struct ConvertHostPass : public dycl::impl::DyclConvertHostPassBase<ConvertHostPass> {
  using DyclConvertHostPassBase::DyclConvertHostPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto programs = llvm::to_vector(module.getOps<ProgramOp>());
    if (programs.size() != 1) {
      module.emitError() << "holds " << programs.size() << " programs; expected one dycl.program";
      return signalPassFailure();
    }
    ProgramOp program = programs.front();
    if (failed(check(module, program)))
      return signalPassFailure();
    HostConverter(module, program, numState).convert();
  }

private:
  LogicalResult check(ModuleOp module, ProgramOp program) {
    unsigned numArguments = program.getArgumentTypes().size(), state = numState;
    if (state > numArguments)
      return program.emitError() << "has " << numArguments << " arguments, of which " << state
                                 << " are said to be state";
    if (failed(checkDevices(module, program)))
      return failure();
    WalkResult walk = program.walk([&](InvokeOp invoke) {
      auto region = module.lookupSymbol<RegionOp>(invoke.getCallee());
      if (region && region.getModule())
        return WalkResult::advance();
      invoke.emitError() << "calls @" << invoke.getCallee()
                         << ", which is not partitioned; run --dycl-partition-pipeline first";
      return WalkResult::interrupt();
    });
    return failure(walk.wasInterrupted());
  }

  /// A program on several devices is on one CPU and one GPU: IREE's VM tells devices apart by their kind alone.
  LogicalResult checkDevices(ModuleOp module, ProgramOp program) {
    if (!program.getHomeAttr())
      return success();
    llvm::SetVector<StringAttr> devices;
    devices.insert(program.getHomeAttr());
    for (auto region : module.getOps<RegionOp>())
      if (StringAttr affinity = getAffinity(region))
        devices.insert(affinity);
    llvm::StringMap<StringAttr> kinds;
    for (StringAttr device : devices) {
      StringRef kind = getDeviceKind(device);
      if (devices.size() > 1 && kind.empty())
        return program.emitError() << "runs on " << device
                                   << "; the host as a VM module copies between llvm-cpu and vulkan only";
      StringAttr other = kinds.try_emplace(kind, device).first->second;
      if (other != device)
        return program.emitError() << "runs on " << other << " and " << device << ", which IREE's VM knows both as '"
                                   << kind << "' alone";
    }
    return success();
  }
};

} // namespace
