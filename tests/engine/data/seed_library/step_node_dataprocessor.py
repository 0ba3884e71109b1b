import os
import sys
import json

running_script_dir = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(running_script_dir, "..", "..", "..", "modules"))

from octo_step_engine_parameters import octo_step_engine_parameters

class step_node_dataprocessor:
    name = "step_node_dataprocessor"
    
    step_node_params_dict_init = {
        "step_node_dataprocessor": {
            "input_file": "",
            "output_file": "",
            "processed_records": 0,
            "total_records": 0,
            "last_error": "",
        },
    }
    
    def __init__(self, name, verbose_flag=False):
        self.name = name
        self.verbose_flag = verbose_flag
        
        self.params_obj = octo_step_engine_parameters()
        self.default_dict = self.params_obj.get_default_param_dict()
        self.param_file = self.params_obj.get_default_param_file_name()
        self.lock_file = self.params_obj.get_default_param_lock_file_name()
    
    def step_entry(self):
        """Setup processing parameters"""
        # Initialize custom parameters
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "step_node_dataprocessor", "input_file", "/data/input.csv"
        )
        
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "step_node_dataprocessor", "output_file", "/data/output.json"
        )
        
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "step_node_dataprocessor", "processed_records", 0
        )
        
        return 0
    
    def step_execute(self):
        """Process data with progress tracking"""
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        input_file = dict_obj.get("step_node_dataprocessor", {}).get("input_file", "")
        
        # Simulate processing records
        total_records = 100
        
        self.params_obj.update_json_dict(
            self.default_dict, self.param_file, self.lock_file,
            "step_node_dataprocessor", "total_records", total_records
        )
        
        for i in range(total_records):
            # Process record
            # ...
            
            # Update progress
            self.params_obj.increment_json_dict(
                self.default_dict, self.param_file, self.lock_file,
                "step_node_dataprocessor", "processed_records", True
            )
            
            if self.verbose_flag and i % 10 == 0:
                print(f"Processed {i}/{total_records} records")
        
        return 0
    
    def step_exit(self):
        """Finalize and report results"""
        dict_obj = self.params_obj.read_json_dict(
            self.default_dict, self.param_file, self.lock_file
        )
        
        processed = dict_obj.get("step_node_dataprocessor", {}).get("processed_records", 0)
        total = dict_obj.get("step_node_dataprocessor", {}).get("total_records", 0)
        
        print(f"Processing complete: {processed}/{total} records")
        
        return 0
