import os
import sys

running_script_dir = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(running_script_dir, "..", "..", "..", "modules"))

from octo_step_engine_parameters import octo_step_engine_parameters

class step_node_statemachine:
    name = "step_node_statemachine"
    
    step_node_graph_dict = {
        "step_node_statemachine": {
            "module_name_string": "step_node_statemachine",
            "node_step_name_string": "step_node_statemachine",
            "dg_node_attr_dict": {"label": "SM", "shape": "box"},
            "first_node_step_bool": 0,
            "active_node_step_bool": 1,
            "node_entry_breakpoint": 0,
            "node_exit_breakpoint": 0,
        },
    }
    
    step_arrow_graph_dict = {
        "next_step": {
            "module_name_string": "step_node_next",
            "arrow_step_name_string": "step_node_next",
            "dg_edge_attr_dict": {},
            "active_arrow_step_bool": 1,
        },
    }
    
    step_node_params_dict_init = {
        "step_node_statemachine": {
            "state_machine_mode": "INIT",
            "retry_count": 0,
            "max_retries": 3,
        },
    }
    
    step_node_results_dict_init = {
        "step_node_statemachine": {
            "step_results_key_last_status": "SUCCESS",
            "execution_count": 0,
        },
    }
    
    def __init__(self, name, verbose_flag=False):
        self.name = name
        self.verbose_flag = verbose_flag
        
        # Setup parameter management
        self.params_obj = octo_step_engine_parameters()
        self.default_dict = self.params_obj.get_default_param_dict()
        self.param_file = self.params_obj.get_default_param_file_name()
        self.lock_file = self.params_obj.get_default_param_lock_file_name()
    
    def step_entry(self):
        """Initialize step parameters"""
        if self.verbose_flag:
            print(f"Step_Entry: {self.name}")
        
        # Read current state
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        # Update step state to ENTER
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "current_step_state", "ENTER"
        )
        
        # Initialize custom parameters if needed
        if "state_machine_mode" not in dict_obj.get("step_node_statemachine", {}):
            self.params_obj.update_json_dict(
                self.default_dict, self.param_file, self.lock_file,
                "step_node_statemachine", "state_machine_mode", "INIT"
            )
        
        return 0
    
    def step_execute(self):
        """Execute with state tracking"""
        if self.verbose_flag:
            print(f"Step_Execute: {self.name}")
        
        # Read parameters
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        # Get custom parameters
        sm_mode = dict_obj.get("step_node_statemachine", {}).get("state_machine_mode", "INIT")
        retry_count = dict_obj.get("step_node_statemachine", {}).get("retry_count", 0)
        max_retries = dict_obj.get("step_node_statemachine", {}).get("max_retries", 3)
        
        # State machine logic
        if sm_mode == "INIT":
            print("State: INIT - Initializing resources")
            # Update state
            self.params_obj.update_json_dict(
                self.default_dict, self.param_file, self.lock_file,
                "step_node_statemachine", "state_machine_mode", "PROCESSING"
            )
        
        elif sm_mode == "PROCESSING":
            print("State: PROCESSING - Executing main logic")
            
            # Simulate work with potential failure
            import random
            success = random.choice([True, False])
            
            if success:
                self.params_obj.update_json_dict(
                    self.default_dict, self.param_file, self.lock_file,
                    "step_node_statemachine", "state_machine_mode", "COMPLETE"
                )
            else:
                # Increment retry counter
                self.params_obj.increment_json_dict(
                    self.default_dict, self.param_file, self.lock_file,
                    "step_node_statemachine", "retry_count", True
                )
                
                # Check retry limit
                if retry_count + 1 >= max_retries:
                    self.params_obj.update_json_dict(
                        self.default_dict, self.param_file, self.lock_file,
                        "step_node_statemachine", "state_machine_mode", "ERROR"
                    )
        
        elif sm_mode == "COMPLETE":
            print("State: COMPLETE - Success!")
        
        elif sm_mode == "ERROR":
            print("State: ERROR - Max retries exceeded")
        
        # Increment execution counter
        self.params_obj.increment_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "run_step_count", True
        )
        
        # Update step state
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "current_step_state", "EXECUTE"
        )
        
        return 0
    
    def step_exit(self):
        """Clean up and update exit state"""
        if self.verbose_flag:
            print(f"Step_Exit: {self.name}")
        
        # Read final state
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        sm_mode = dict_obj.get("step_node_statemachine", {}).get("state_machine_mode", "UNKNOWN")
        
        # Update results
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "step_node_statemachine", "step_results_key_last_status", sm_mode
        )
        
        # Update step state to EXIT
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "current_step_state", "EXIT"
        )
        
        return 0

    def step_advance(self):
        """Determine next step based on state"""
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        sm_mode = dict_obj.get("step_node_statemachine", {}).get("state_machine_mode", "UNKNOWN")
        
        if sm_mode == "COMPLETE":
            return "next_step"
        else:
            # Stay in current step for retry or error handling
            return "step_arrow_graph_list_key_step_node_statemachine"
