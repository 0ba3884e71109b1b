import os
import sys

# Add module path
running_script_dir = os.path.dirname(os.path.abspath(__file__))
octo_modules_dir = os.path.join(running_script_dir, "..", "..", "..", "modules")
sys.path.append(octo_modules_dir)

from octo_step_engine_parameters import octo_step_engine_parameters

class step_node_custom:
    name = "step_node_custom"
    description = "Custom step with parameter management"
    
    def __init__(self, name, verbose_flag=False):
        self.name = name
        self.verbose_flag = verbose_flag
        
        # Initialize parameter manager
        self.params_obj = octo_step_engine_parameters()
        self.default_dict = self.params_obj.get_default_param_dict()
        self.param_file = self.params_obj.get_default_param_file_name()
        self.lock_file = self.params_obj.get_default_param_lock_file_name()
    
    def step_entry(self):
        """Read parameters on entry"""
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, 
            self.param_file, 
            self.lock_file
        )
        
        current_state = dict_obj["global_parameters"]["current_step_state"]
        print(f"Entering step, current state: {current_state}")
        
        return 0
    
    def step_execute(self):
        """Execute with parameter updates"""
        # Read current parameters
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        # Increment execution counter
        self.params_obj.increment_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "run_step_count", True
        )
        
        # Your step logic here
        print(f"Executing {self.name}")
        
        return 0
    
    def step_exit(self):
        """Update state on exit"""
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "global_parameters", "current_step_state", "ADVANCE"
        )
        
        return 0
