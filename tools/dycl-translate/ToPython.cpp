//===- ToPython.cpp - The host program in Python --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each SSA value gets the expression that reads it: mostly a variable, else a literal or an operator applied once.
// Values that control flow hands on share a variable where that is safe, so that a loop reads `v1 = regions.f(v1)`.
//
// Nesting is bounded, whatever the program's: an scf.if whose results only leave the function is written as
// `if …: return …` followed by the other branch at the same indentation, and what nests deeper than `kMaxDepth`
// moves to a function of its own. (CPython refuses 20 nested loops and 100 levels of indentation.)
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/Utils/HostOps.h"
#include "passes/Utils/Locations.h"
#include "tools/dycl-translate/HostGraph.h"
#include "tools/dycl-translate/PythonText.h"
#include "tools/dycl-translate/Translations.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace dycl;

/// How deep statements nest before they move to a function of their own.
static constexpr unsigned kMaxDepth = 8;

namespace {

class PythonEmitter {
public:
  explicit PythonEmitter(ProgramOp program) : program(program), graph(program) {}

  LogicalResult emit(llvm::raw_ostream &out);

private:
  // Values.
  std::string read(Value value) const { return expressions.lookup(value); }
  SmallVector<std::string> readAll(ValueRange values) const;
  std::string declare(Value value);
  StringRef getPrefix(Type type) const;
  bool isInlined(Operation *op) const;
  Operation *getReader(OpOperand &use) const;
  std::string writeScalarOp(Operation *op) const;

  // Sharing of variables.
  void shareWithResults(ValueRange yielded, Block *block, ArrayRef<std::string> targets);
  void shareWithCarried(Block *body, ValueRange yielded, ArrayRef<std::string> carried);
  SmallVector<std::string> declareCarried(Operation *loop, ValueRange inits, ValueRange carried);

  // Statements.
  void line(unsigned depth, const Twine &text);
  void assign(unsigned depth, ArrayRef<std::string> targets, ArrayRef<std::string> values);
  void emitOps(Block &block, unsigned depth, Operation *until = nullptr);
  void emitOp(Operation *op, unsigned depth);
  void emitInvoke(InvokeOp op, unsigned depth);
  void emitTransfer(TransferOp op, unsigned depth);
  void emitIf(scf::IfOp op, unsigned depth);
  void emitSwitch(scf::IndexSwitchOp op, unsigned depth);
  void emitWhile(scf::WhileOp op, unsigned depth);
  void emitFor(scf::ForOp op, unsigned depth);
  void emitBranch(Block &block, ArrayRef<unsigned> live, ArrayRef<std::string> targets, unsigned depth);

  // Functions.
  void emitReturning(Block *block, SmallVector<Value> returned, unsigned depth);
  void emitReturningOp(Operation *op, SmallVector<Value> returned, unsigned depth);
  void emitAsFunction(Operation *op, unsigned depth);
  std::string emitFunction(Operation *op, SmallVector<Value> returned);
  void emitConstants(unsigned depth);

  std::string decide(Operation *op, const Twine &value) const;
  std::string comment(Operation *op) const;

  ProgramOp program;
  HostGraph graph;
  PythonNames names;
  DenseMap<Value, std::string> expressions;
  llvm::StringSet<> shared; ///< variables that more than one live value reads
  std::vector<std::string> functions;
  std::string *body = nullptr;
  llvm::MapVector<Attribute, std::string> arrays;
};

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

SmallVector<std::string> PythonEmitter::readAll(ValueRange values) const {
  return llvm::map_to_vector(values, [&](Value value) { return read(value); });
}

StringRef PythonEmitter::getPrefix(Type type) const {
  if (type.isInteger(1))
    return "p";
  if (type.isIntOrIndex())
    return "n";
  return isa<FloatType>(type) ? "f" : "v";
}

/// Gives `value` a variable, unless it has one to share already.
std::string PythonEmitter::declare(Value value) {
  std::string &name = expressions[value];
  if (name.empty())
    name = names.makeNext(getPrefix(value.getType()));
  return name;
}

/// Whether `op` is written where it is read: scalar arithmetic read once, in its own block.
bool PythonEmitter::isInlined(Operation *op) const {
  if (!op || isa<arith::ConstantOp, ub::PoisonOp, tensor::CastOp>(op) || !isHostOp(op))
    return false;
  return op->hasOneUse() && op->user_begin()->getBlock() == op->getBlock();
}

/// The statement in which `use` is evaluated.
Operation *PythonEmitter::getReader(OpOperand &use) const {
  Operation *reader = use.getOwner();
  while (isInlined(reader) && reader->getNumResults() == 1)
    reader = *reader->user_begin();
  return reader;
}

std::string PythonEmitter::writeScalarOp(Operation *op) const {
  SmallVector<std::string> in = readAll(op->getOperands());
  auto infix = [&](StringRef symbol) { return "(" + in[0] + " " + symbol.str() + " " + in[1] + ")"; };
  auto isFlag = op->getResult(0).getType().isInteger(1);
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case<arith::AddIOp, arith::AddFOp>([&](auto) { return infix("+"); })
      .Case<arith::SubIOp, arith::SubFOp>([&](auto) { return infix("-"); })
      .Case<arith::MulIOp, arith::MulFOp>([&](auto) { return infix("*"); })
      .Case<arith::NegFOp>([&](auto) { return "(-" + in[0] + ")"; })
      .Case<arith::MinSIOp>([&](auto) { return "min(" + join(in) + ")"; })
      .Case<arith::MaxSIOp>([&](auto) { return "max(" + join(in) + ")"; })
      .Case<arith::AndIOp>([&](auto) { return infix("and"); })
      .Case<arith::OrIOp>([&](auto) { return infix("or"); })
      .Case<arith::XOrIOp>([&](arith::XOrIOp) {
        // `x ^ true` is how `not x` arrives.
        return isFlag && in[1] == "True" ? "(not " + in[0] + ")" : infix("!=");
      })
      .Case<arith::CmpIOp>([&](arith::CmpIOp cmp) {
        static constexpr StringLiteral symbols[] = {"==", "!=", "<", "<=", ">", ">="};
        return infix(symbols[static_cast<size_t>(cmp.getPredicate())]);
      })
      .Case<arith::CmpFOp>([&](arith::CmpFOp cmp) {
        using P = arith::CmpFPredicate;
        switch (cmp.getPredicate()) {
        case P::OEQ:
          return infix("==");
        case P::OGT:
          return infix(">");
        case P::OGE:
          return infix(">=");
        case P::OLT:
          return infix("<");
        case P::OLE:
          return infix("<=");
        default:
          return infix("!=");
        }
      })
      .Case<arith::SelectOp>([&](auto) { return "(" + in[1] + " if " + in[0] + " else " + in[2] + ")"; })
      .Case<arith::SIToFPOp>([&](auto) { return "float(" + in[0] + ")"; })
      .Case<arith::ExtUIOp>([&](auto) { return "int(" + in[0] + ")"; })
      .Default([&](Operation *) { return in[0]; }); // A change of static type.
}

//===----------------------------------------------------------------------===//
// Sharing of variables
//===----------------------------------------------------------------------===//

/// Lets values that `block` computes and yields be computed into `targets` at once. The targets are dead until the
/// block ends, so any value of the block may take one; each value takes at most one.
void PythonEmitter::shareWithResults(ValueRange yielded, Block *block, ArrayRef<std::string> targets) {
  for (auto [value, target] : llvm::zip_equal(yielded, targets)) {
    Operation *def = value.getDefiningOp();
    if (!target.empty() && def && def->getBlock() == block && !isHostOp(def) && !isa<arith::ConstantOp>(def))
      expressions.try_emplace(value, target);
  }
}

/// The same for the end of a loop's body, where `carried` are the variables of the next iteration. There the old value
/// must not be read any more when the new one is computed.
void PythonEmitter::shareWithCarried(Block *body, ValueRange yielded, ArrayRef<std::string> carried) {
  for (auto [index, value] : llvm::enumerate(yielded)) {
    Operation *def = value.getDefiningOp();
    if (!def || def->getBlock() != body || isHostOp(def) || isa<arith::ConstantOp>(def) || expressions.contains(value))
      continue;
    bool isRead = llvm::any_of(body->getArguments(), [&](BlockArgument argument) {
      return read(argument) == carried[index] && llvm::any_of(argument.getUses(), [&](OpOperand &use) {
               Operation *reader = body->findAncestorOpInBlock(*getReader(use));
               return !reader->isBeforeInBlock(def) && !(reader == def && isa<InvokeOp, TransferOp>(def));
             });
    });
    if (!isRead)
      expressions[value] = carried[index];
  }
}

/// Gives the loop-carried values variables: that of the initial value, where it is not read otherwise.
SmallVector<std::string> PythonEmitter::declareCarried(Operation *loop, ValueRange inits, ValueRange carried) {
  SmallVector<std::string> variables;
  for (auto [init, value] : llvm::zip_equal(inits, carried)) {
    Operation *def = init.getDefiningOp();
    bool isFree = def && def->getBlock() == loop->getBlock() && init.hasOneUse() && !isHostOp(def) &&
                  !isa<arith::ConstantOp>(def) && !shared.contains(read(init));
    if (isFree)
      expressions[value] = read(init);
    variables.push_back(declare(value));
  }
  return variables;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

void PythonEmitter::line(unsigned depth, const Twine &text) {
  body->append(4 * depth, ' ');
  *body += text.str();
  *body += '\n';
}

/// Expressions may carry parentheses that a statement does not need.
static std::string stripParentheses(std::string text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')')
    return text;
  int open = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    open += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (open == 0)
      return text;
  }
  return text.substr(1, text.size() - 2);
}

void PythonEmitter::assign(unsigned depth, ArrayRef<std::string> targets, ArrayRef<std::string> values) {
  SmallVector<std::string> left, right;
  for (auto [target, value] : llvm::zip_equal(targets, values)) {
    if (target.empty() || target == value)
      continue;
    left.push_back(target);
    right.push_back(stripParentheses(value));
  }
  if (!left.empty())
    line(depth, join(left) + " = " + join(right));
}

std::string PythonEmitter::decide(Operation *op, const Twine &value) const {
  return ("decide(" + Twine(graph.getPredicate(op)) + ", " + value + ")").str();
}

/// "  # net.py:12", or nothing where the source is not known.
std::string PythonEmitter::comment(Operation *op) const {
  FileLineColLoc where = findUserLine(op->getLoc());
  if (!where)
    return "";
  return ("  # " + llvm::sys::path::filename(where.getFilename().getValue()) + ":" + Twine(where.getLine())).str();
}

void PythonEmitter::emitOps(Block &block, unsigned depth, Operation *until) {
  for (Operation &op : block.without_terminator()) {
    if (&op == until)
      return;
    emitOp(&op, depth);
  }
}

void PythonEmitter::emitOp(Operation *op, unsigned depth) {
  if (auto invoke = dyn_cast<InvokeOp>(op))
    return emitInvoke(invoke, depth);
  if (auto transfer = dyn_cast<TransferOp>(op))
    return emitTransfer(transfer, depth);

  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (!isa<RankedTensorType>(constant.getType()))
      expressions[constant] = pythonScalar(constant.getValue());
    return; // Tensors are made at the start of `main`.
  }
  if (isa<ub::PoisonOp>(op)) {
    expressions[op->getResult(0)] = "None";
    return;
  }
  if (auto cast = dyn_cast<tensor::CastOp>(op)) {
    expressions[cast] = read(cast.getSource());
    shared.insert(read(cast));
    return;
  }
  if (isHostOp(op)) {
    std::string value = writeScalarOp(op);
    if (isInlined(op)) {
      expressions[op->getResult(0)] = value;
      return;
    }
    std::string target = declare(op->getResult(0));
    return line(depth, target + " = " + stripParentheses(value));
  }

  if (depth >= kMaxDepth)
    return emitAsFunction(op, depth);
  llvm::TypeSwitch<Operation *>(op)
      .Case<scf::IfOp>([&](scf::IfOp branch) { emitIf(branch, depth); })
      .Case<scf::IndexSwitchOp>([&](scf::IndexSwitchOp branch) { emitSwitch(branch, depth); })
      .Case<scf::WhileOp>([&](scf::WhileOp loop) { emitWhile(loop, depth); })
      .Case<scf::ForOp>([&](scf::ForOp loop) { emitFor(loop, depth); });
}

void PythonEmitter::emitInvoke(InvokeOp op, unsigned depth) {
  SmallVector<std::string> targets = llvm::map_to_vector(
      op.getResults(), [&](Value result) { return result.use_empty() ? std::string("_") : declare(result); });
  std::string call = ("regions." + op.getCallee() + "(" + join(readAll(op.getOperands())) + ")").str();
  line(depth, (targets.empty() ? "" : join(targets) + " = ") + call + comment(op));
}

/// Whether `op` makes a constant tensor on some device.
static bool isConstantTensor(Operation *op) {
  if (auto transfer = dyn_cast_or_null<TransferOp>(op))
    op = transfer.getSource().getDefiningOp();
  return isa_and_nonnull<arith::ConstantOp>(op) && isa<RankedTensorType>(op->getResult(0).getType());
}

void PythonEmitter::emitTransfer(TransferOp op, unsigned depth) {
  if (isConstantTensor(op))
    return; // Made on that device at the start of `main`.
  std::string target = declare(op.getResult()), dtype;
  llvm::raw_string_ostream(dtype) << op.getType().getElementType();
  line(depth, target + " = regions.transfer(" + read(op.getSource()) + ", " + pythonString(op.getFrom()) + ", " +
                  pythonString(op.getTo()) + ", " + pythonString(dtype) + ")" + comment(op));
}

/// Writes a branch that ends by assigning the `live` ones of what it yields to `targets`.
void PythonEmitter::emitBranch(Block &block, ArrayRef<unsigned> live, ArrayRef<std::string> targets, unsigned depth) {
  size_t start = body->size();
  SmallVector<Value> yielded =
      llvm::map_to_vector(live, [&](unsigned index) { return block.getTerminator()->getOperand(index); });
  shareWithResults(yielded, &block, targets);
  emitOps(block, depth);
  assign(depth, targets, readAll(yielded));
  if (body->size() == start)
    line(depth, "pass");
}

/// The numbers of the results of `op` that are read.
static SmallVector<unsigned> getLiveResults(Operation *op) {
  SmallVector<unsigned> live;
  for (OpResult result : op->getResults())
    if (!result.use_empty())
      live.push_back(result.getResultNumber());
  return live;
}

void PythonEmitter::emitIf(scf::IfOp op, unsigned depth) {
  SmallVector<unsigned> live = getLiveResults(op);
  SmallVector<std::string> targets = llvm::map_to_vector(live, [&](unsigned i) { return declare(op.getResult(i)); });
  std::string test = decide(op, stripParentheses(read(op.getCondition())));
  line(depth, "if " + test + ":" + comment(op));
  emitBranch(*op.thenBlock(), live, targets, depth + 1);
  if (!op.elseBlock())
    return;
  size_t start = body->size();
  line(depth, "else:");
  size_t inside = body->size();
  emitBranch(*op.elseBlock(), live, targets, depth + 1);
  if (StringRef(*body).drop_front(inside).trim() == "pass")
    body->resize(start);
}

void PythonEmitter::emitSwitch(scf::IndexSwitchOp op, unsigned depth) {
  SmallVector<unsigned> live = getLiveResults(op);
  SmallVector<std::string> targets = llvm::map_to_vector(live, [&](unsigned i) { return declare(op.getResult(i)); });
  std::string selector = names.makeNext("s");
  line(depth, selector + " = " + decide(op, stripParentheses(read(op.getArg()))) + comment(op));
  StringRef keyword = "if ";
  for (auto [value, region] : llvm::zip_equal(op.getCases(), op.getCaseRegions())) {
    line(depth, keyword + selector + " == " + Twine(value) + ":");
    emitBranch(region.front(), live, targets, depth + 1);
    keyword = "elif ";
  }
  if (op.getCases().empty())
    return emitBranch(op.getDefaultRegion().front(), live, targets, depth);
  line(depth, "else:");
  emitBranch(op.getDefaultRegion().front(), live, targets, depth + 1);
}

void PythonEmitter::emitWhile(scf::WhileOp op, unsigned depth) {
  SmallVector<std::string> carried = declareCarried(op, op.getInits(), op.getBeforeArguments());
  assign(depth, carried, readAll(op.getInits()));

  // The condition: in the head of the loop, unless it takes statements.
  std::string *outside = body;
  std::string condition;
  body = &condition;
  emitOps(*op.getBeforeBody(), depth + 1);
  body = outside;
  scf::ConditionOp end = op.getConditionOp();
  std::string test = decide(op, stripParentheses(read(end.getCondition())));
  if (condition.empty()) {
    line(depth, "while " + test + ":" + comment(op));
  } else {
    line(depth, "while True:" + comment(op));
    *body += condition;
    line(depth + 1, "if not " + test + ":");
    line(depth + 2, "break");
  }

  // What the condition forwards is only named anew, in the body and after the loop.
  for (auto [value, inside, result] : llvm::zip_equal(end.getArgs(), op.getAfterArguments(), op.getResults())) {
    std::string name = read(value);
    if (llvm::count(end.getArgs(), value) > 1)
      shared.insert(name);
    expressions[inside] = name;
    expressions[result] = name;
  }
  size_t start = body->size();
  ValueRange next = op.getYieldOp().getResults();
  shareWithCarried(op.getAfterBody(), next, carried);
  emitOps(*op.getAfterBody(), depth + 1);
  assign(depth + 1, carried, readAll(next));
  if (body->size() == start)
    line(depth + 1, "pass");
}

void PythonEmitter::emitFor(scf::ForOp op, unsigned depth) {
  SmallVector<std::string> carried = declareCarried(op, op.getInitArgs(), op.getRegionIterArgs());
  assign(depth, carried, readAll(op.getInitArgs()));
  std::string counter = names.makeNext("i");
  expressions[op.getInductionVar()] = counter;
  SmallVector<std::string> bounds = readAll({op.getLowerBound(), op.getUpperBound(), op.getStep()});
  for (std::string &bound : bounds)
    bound = stripParentheses(bound);
  line(depth, "for " + counter + " in " + decide(op, "range(" + join(bounds) + ")") + ":" + comment(op));
  size_t start = body->size();
  ValueRange next = op.getYieldedValues();
  shareWithCarried(op.getBody(), next, carried);
  emitOps(*op.getBody(), depth + 1);
  assign(depth + 1, carried, readAll(next));
  if (body->size() == start)
    line(depth + 1, "pass");
  for (auto [result, name] : llvm::zip_equal(op.getResults(), carried))
    expressions[result] = name;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// How many decisions `block` holds.
static unsigned countDecisions(Block *block) {
  unsigned count = 0;
  block->walk([&](Operation *op) { count += isControlFlow(op); });
  return count;
}

/// The last operation of `block` if it is an scf.if with else whose results are read by the end of the block only.
static scf::IfOp getReturningIf(Block *block) {
  Operation *last = block->getTerminator()->getPrevNode();
  auto branch = dyn_cast_or_null<scf::IfOp>(last);
  if (!branch || !branch.elseBlock())
    return {};
  bool onlyLeaves = llvm::all_of(branch->getUsers(), [&](Operation *user) { return user == block->getTerminator(); });
  return onlyLeaves ? branch : scf::IfOp();
}

/// `values` at the end of a branch of `op`: a result of `op` is what the branch yields for it.
static SmallVector<Value> enterBranch(scf::IfOp op, Block *branch, ArrayRef<Value> values) {
  return llvm::map_to_vector(values, [&](Value value) {
    auto result = dyn_cast<OpResult>(value);
    return result && result.getOwner() == op ? branch->getTerminator()->getOperand(result.getResultNumber()) : value;
  });
}

/// Writes `block`, and returns `returned`, which holds at its end.
void PythonEmitter::emitReturning(Block *block, SmallVector<Value> returned, unsigned depth) {
  while (scf::IfOp branch = getReturningIf(block)) {
    emitOps(*block, depth, branch);
    // The branch with fewer decisions is indented; the other one goes on at this level, however long the chain.
    bool thenInside = countDecisions(branch.thenBlock()) <= countDecisions(branch.elseBlock());
    Block *inside = thenInside ? branch.thenBlock() : branch.elseBlock();
    Block *rest = thenInside ? branch.elseBlock() : branch.thenBlock();
    std::string test = decide(branch, stripParentheses(read(branch.getCondition())));
    line(depth, (thenInside ? "if " : "if not ") + test + ":" + comment(branch));
    if (depth + 1 >= kMaxDepth && getReturningIf(inside)) {
      emitOps(*inside, depth + 1, getReturningIf(inside));
      emitReturningOp(getReturningIf(inside), enterBranch(branch, inside, returned), depth + 1);
    } else {
      emitReturning(inside, enterBranch(branch, inside, returned), depth + 1);
    }
    returned = enterBranch(branch, rest, returned);
    block = rest;
  }
  emitOps(*block, depth);
  line(depth, "return " + pythonTuple(readAll(returned)));
}

/// Writes `op`, an scf.if that ends its block, as a call whose results are returned.
void PythonEmitter::emitReturningOp(Operation *op, SmallVector<Value> returned, unsigned depth) {
  std::string call = emitFunction(op, std::move(returned));
  line(depth, "return " + call);
}

/// Writes `op` as a call of a function that returns its results.
void PythonEmitter::emitAsFunction(Operation *op, unsigned depth) {
  SmallVector<unsigned> live = getLiveResults(op);
  SmallVector<Value> returned = llvm::map_to_vector(live, [&](unsigned i) -> Value { return op->getResult(i); });
  // Inside the function the results have variables of its own; here those that they are to have.
  SmallVector<std::string> targets;
  for (Value value : returned) {
    targets.push_back(declare(value));
    expressions.erase(value);
  }
  std::string call = emitFunction(op, returned);
  for (auto [value, target] : llvm::zip_equal(returned, targets))
    expressions[value] = target;
  line(depth, targets.empty() ? call : join(targets) + (targets.size() == 1 ? ", = " : " = ") + call);
}

/// Whether `expression` is the name of a variable, not a literal or an operator applied.
static bool isVariable(StringRef expression) {
  bool isName = llvm::all_of(expression, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  return isName && !expression.empty() && !llvm::isDigit(expression.front()) && expression != "None" &&
         expression != "True" && expression != "False";
}

/// Writes a function that executes `op` and returns `returned`. Gives the call.
std::string PythonEmitter::emitFunction(Operation *op, SmallVector<Value> returned) {
  // What it takes: variables of the caller that it reads. They keep their names.
  llvm::SetVector<Value> values;
  getUsedValuesDefinedAbove(op->getRegions(), values);
  values.insert(op->operand_begin(), op->operand_end());
  for (Value value : returned)
    if (value.getDefiningOp() != op)
      values.insert(value);
  // Constant tensors are made in `main`, wherever they are used.
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      if (isConstantTensor(inner))
        values.insert(inner->getResult(0));
    });

  SmallVector<std::string> arguments = {"regions", "decide"};
  std::function<void(Value)> addVariables = [&](Value value) {
    // An inlined expression is read where it is written: pass what it reads.
    if (Operation *def = value.getDefiningOp(); def && isInlined(def)) {
      llvm::for_each(def->getOperands(), addVariables);
      return;
    }
    std::string name = read(value);
    if (isVariable(name) && !llvm::is_contained(arguments, name))
      arguments.push_back(name);
  };
  llvm::for_each(values, addVariables);

  std::string name = names.makeNext("part_");
  std::string *caller = body;
  std::string text;
  body = &text;
  std::string list = join(arguments);
  line(0, "def " + name + "(" + list + "):" + comment(op));
  if (auto branch = dyn_cast<scf::IfOp>(op); branch && branch.elseBlock()) {
    std::string test = decide(op, stripParentheses(read(branch.getCondition())));
    line(1, "if " + test + ":");
    emitReturning(branch.thenBlock(), enterBranch(branch, branch.thenBlock(), returned), 2);
    emitReturning(branch.elseBlock(), enterBranch(branch, branch.elseBlock(), returned), 1);
  } else {
    emitOp(op, 1);
    line(1, "return " + pythonTuple(readAll(returned)));
  }
  body = caller;
  functions.push_back(std::move(text));
  return name + "(" + list + ")";
}

/// Makes the constant tensors of the program, each once on each device that uses it.
void PythonEmitter::emitConstants(unsigned depth) {
  DenseMap<std::pair<Attribute, Attribute>, std::string> variables;
  program.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isConstantTensor(op))
      return;
    auto transfer = dyn_cast<TransferOp>(op);
    auto constant = cast<arith::ConstantOp>(transfer ? transfer.getSource().getDefiningOp() : op);
    bool isAtHome = llvm::any_of(constant->getUsers(), [](Operation *user) { return !isa<TransferOp>(user); });
    if (!transfer && !isAtHome)
      return;
    std::string &variable = variables[{constant.getValue(), transfer ? transfer.getToAttr() : Attribute()}];
    if (variable.empty()) {
      std::string &array = arrays[constant.getValue()];
      if (array.empty())
        array = names.makeNext("C");
      variable = names.makeNext("c");
      std::string device = transfer ? ", " + pythonString(transfer.getTo()) : "";
      line(depth, variable + " = regions.constant(" + array + device + ")" + comment(op));
    }
    expressions[op->getResult(0)] = variable;
    shared.insert(variable);
  });
}

LogicalResult PythonEmitter::emit(llvm::raw_ostream &out) {
  SmallVector<std::string> arguments = {"regions", "decide"};
  SmallVector<std::string> described;
  for (BlockArgument argument : program.getBody().getArguments()) {
    std::string name = names.makeUnique(program.getArgumentName(argument.getArgNumber()));
    expressions[argument] = name;
    arguments.push_back(name);
    llvm::raw_string_ostream(described.emplace_back()) << name << ": " << argument.getType();
  }
  std::string results;
  llvm::raw_string_ostream stream(results);
  if (program.getResultTypes().size() == 1)
    stream << program.getResultTypes().front();
  else
    stream << "(" << program.getResultTypes() << ")";

  std::string main;
  body = &main;
  line(0, "def main(" + join(arguments) + "):");
  line(1, "\"\"\"main(" + join(described) + ") -> " + results + "\"\"\"");
  emitConstants(1);
  Block &block = program.getBody().front();
  emitReturning(&block, llvm::to_vector(block.getTerminator()->getOperands()), 1);
  functions.push_back(std::move(main));

  auto module = program->getParentOfType<ModuleOp>();
  out << "# The host program of " << module.getSymName().value_or(program.getSymName())
      << ", written by dycl-translate: its control flow, over compiled regions.\n"
      << "# regions.NAME(...) calls a region; decide(k, value) records decision k of the graph and gives it back.\n";
  if (!arrays.empty())
    out << "\nimport numpy as np\n\n";
  for (auto &[value, name] : arrays) {
    std::string array = pythonArray(cast<DenseElementsAttr>(value));
    if (array.empty())
      return program.emitError() << "NumPy has no element type for the constant " << value;
    out << name << " = " << array << "\n";
  }
  for (const std::string &function : functions)
    out << "\n\n" << function;
  out << "\n\nif __name__ == \"__main__\":\n    import host_runtime\n\n    host_runtime.run_as_script(main, "
         "__file__)\n";
  return success();
}

} // namespace

LogicalResult dycl::translateToPython(ModuleOp module, llvm::raw_ostream &out) {
  FailureOr<ProgramOp> program = findPartitionedProgram(module);
  if (failed(program))
    return failure();
  return PythonEmitter(*program).emit(out);
}
