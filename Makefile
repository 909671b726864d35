# TraceGen ROS. `make help` lists the targets; every one sets up what it needs first, and only once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Set ACCEPT_ROS_WHEEL=no to refuse the Python wheel that holds ROS 2 where the machine has none.
export ACCEPT_ROS_WHEEL ?= yes
# Certificates the machine trusts are trusted here too (networks with a certificate of their own need that).
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
endif
EPISODES ?= 50
GRIDS ?= 10000
BAG ?= outputs/demo/bag
ARGS ?=
CMD ?=
RUN := source scripts/env.sh &&

# A finished step leaves a stamp, in the folder it fills and named after what it was made from: a changed lock file
# or a deleted folder is a step not done yet, and so are the steps that build on it.
ROS := $(shell scripts/find_ros.sh)
OWN_ROS := $(filter $(CURDIR)/%,$(ROS))
LOCKS := requirements/$(if $(OWN_ROS),numpy2,numpy1)
stamp = $(1)-$(shell { echo $(CURDIR) $(ROS) $(3); cat $(2) 2>/dev/null; } | sha256sum | cut -c1-12)

SYSTEM := $(call stamp,.stamps/system,scripts/check_system_packages.sh)
VENV := $(call stamp,.venv/.stamps/venv)
DEMO := $(call stamp,.venv/.stamps/demo,$(LOCKS)/demo.txt tracegen_model/pyproject.toml,$(VENV))
TRAIN := $(call stamp,.venv/.stamps/train,$(LOCKS)/train.txt,$(DEMO))
DEV := $(call stamp,.venv/.stamps/dev,$(LOCKS)/dev.txt,$(TRAIN))
JAZZY := $(call stamp,.ros/jazzy/.stamps/jazzy,requirements/ros.txt scripts/provide_ros.sh)
VERB := $(call stamp,.venv/.stamps/verb,scripts/ros2_launch_verb/pyproject.toml,$(DEMO))
ROS_READY := $(if $(OWN_ROS),$(JAZZY) $(VERB))
PACKAGES := tracegen_ros ik_controller ros2_ws/src/fr3_driver ros2_ws/src/fr3_sim ros2_ws/src/realsense_camera
# Sources are linked, not copied, into the workspace: it is built again when files come, go, or describe the build.
WORKSPACE := ros2_ws/install/.stamps/workspace-$(shell scripts/fingerprint_workspace.sh $(PACKAGES) | cut -c1-12)

##@ Use it
.PHONY: setup demo replay eval-bag shell
setup: $(WORKSPACE) ## Set up everything that running needs: system packages, Python, ROS 2, the workspace
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "Ready. ROS 2: $(ROS). Try: make demo or make shell",:)

demo: setup ## Show the robot doing what a few sentences say; leaves a video and a summary. ARGS=...
	$(RUN) python -m tests.closed_loop.demo $(ARGS)

replay: setup ## Play a recording through the live nodes and compare; nothing moves: BAG=outputs/demo/bag ARGS=...
	scripts/with_own_domain.sh ros2 launch tracegen_ros replay.launch.py bag:=$(BAG) $(ARGS)

eval-bag: setup ## Write a report on how good the traces on a recording are: BAG=outputs/demo/bag ARGS=...
	$(RUN) tracegen-eval-bag $(BAG) $(ARGS)

shell: setup ## Open a shell in which `ros2 ...` works; CMD='ros2 topic list' runs one command instead
	@scripts/shell.sh $(if $(CMD),'$(subst ','\'',$(value CMD))')

##@ Measure it
.PHONY: benchmark bench bench-motion fuzz benchmark-network train-demo
benchmark: setup ## Closed-loop success over unseen scenes: EPISODES=50 ARGS=...
	scripts/with_own_domain.sh python -m tests.closed_loop.benchmark --episodes $(EPISODES) $(ARGS)

bench: setup-dev ## Speed of every engine that this machine has, beside a plain construction: ARGS=...
	scripts/with_own_domain.sh python -m tests.inference_speed.benchmark $(ARGS)

bench-motion: setup-dev ## The motion layer: inverse kinematics, decisions, replans, rests, stops, tracking (half an hour)
	$(RUN) for part in ik_speed path_speed continuity chunk_rests stops tracking; do \
	  OMP_NUM_THREADS=1 python -m tests.motion_layer.$$part; done

fuzz: setup-dev ## Random traces at random times through the motion layer; any limit broken is named: GRIDS=10000 ARGS=...
	$(RUN) python -m tests.motion_layer.fuzz --grids $(GRIDS) $(ARGS)

benchmark-network: setup-dev ## Speed of the full-size network beside a plain construction in diffusers: ARGS=...
	$(RUN) python -m tests.network_speed.benchmark $(ARGS)

train-demo: setup $(TRAIN) ## Make the shipped checkpoint again from nothing, data included (about an hour on 2 cores)
	$(RUN) python -m tracegen_model.cli train-demo $(ARGS)

##@ Change it
.PHONY: setup-dev test lint format types imports test-unit lock
setup-dev: setup $(TRAIN) $(DEV) ## Set up what developing needs on top: torch, pytest, ruff, mypy, import-linter

test: setup-dev ## Everything CI checks: lint, types, import rules, then unit, integration and system tests. ARGS=...
	scripts/run_tests.sh $(ARGS)

test-unit: setup-dev ## Only the tests that need no ROS and take no time
	$(RUN) python -m pytest -m unit $(ARGS)

lint: setup-dev ## Check style: ruff, rules and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: setup-dev ## Rewrite the sources in the project's style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: setup-dev ## Check types of the ROS-free code: mypy
	$(RUN) scripts/check_types.sh

imports: setup-dev ## Check that imports point down only: import-linter
	$(RUN) scripts/check_imports.sh

lock: ## Resolve requirements/*.in again into hashed lock files
	scripts/lock.sh

##@ Tidy up
.PHONY: clean clean-all help
clean: ## Remove what was built and what runs left behind; keep the Python environment and ROS 2
	rm -rf ros2_ws/{build,install,log} outputs .pytest_cache .mypy_cache .ruff_cache

clean-all: clean ## Also remove the Python environment and ROS 2
	rm -rf .venv .ros .tools .stamps

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- the steps of the set-up, each once ----

define done
@mkdir -p $(@D) && rm -f $(@D)/$(firstword $(subst -, ,$(@F)))-* && touch $@
endef

$(SYSTEM):
	@scripts/check_system_packages.sh
	$(done)

$(VENV): | $(SYSTEM)
	@scripts/make_venv.sh '$(ROS)'
	$(done)

$(DEMO): | $(VENV)
	@scripts/install_lock.sh $(LOCKS)/demo.txt
	@scripts/install_sources.sh tracegen_model
	$(done)

$(TRAIN): | $(DEMO)
	@scripts/install_lock.sh $(LOCKS)/train.txt
	$(done)

$(DEV): | $(TRAIN)
	@scripts/install_lock.sh $(LOCKS)/dev.txt
	$(done)

$(JAZZY): | $(DEMO)
	@scripts/provide_ros.sh
	$(done)

# That ROS 2 comes without executables and without `ros2 launch`: this small package supplies both.
$(VERB): | $(DEMO)
	@scripts/install_sources.sh scripts/ros2_launch_verb
	$(done)

$(WORKSPACE): | $(ROS_READY) $(DEMO)
	@scripts/build_workspace.sh
	$(done)
