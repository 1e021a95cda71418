#!/usr/bin/env python3
"""Writes chat_goldens.json: conversations as transformers renders them (5.12 was used) with a Jinja
template of each family, written after what the models' authors publish about their formats. The BOS
in front is left out.
"""
import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

LOOP = "{% for message in messages %}"
END = "{% endfor %}"
ASK = "{% if add_generation_prompt %}"

CHATML_TURN = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
CHATML_ASK = ASK + "{{ '<|im_start|>assistant\\n' }}{% endif %}"
FIRST_WITHOUT_SYSTEM = "{% if loop.first and messages[0]['role'] != 'system' %}"
SPLIT_SYSTEM = ("{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}"
                "{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}")


def mistral(user, ask, answer, where):
    """`user` and `ask` are what surrounds a user's message."""
    return ("{{ bos_token }}" + SPLIT_SYSTEM + "{% for message in loop_messages %}"
            "{% if message['role'] == 'user' %}{% if loop." + where + " and system_message is defined %}"
            "{{ '" + user + "' + system_message + '\\n\\n' + message['content'] + '" + ask + "' }}"
            "{% else %}{{ '" + user + "' + message['content'] + '" + ask + "' }}{% endif %}"
            "{% else %}{{ " + answer + " }}{% endif %}" + END)


TEMPLATES = {
    "chatml": LOOP + CHATML_TURN + END + CHATML_ASK,
    "chatml, a system by default": LOOP + FIRST_WITHOUT_SYSTEM +
        "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}" +
        CHATML_TURN + END + CHATML_ASK,
    "chatml, a system by default beside others": "{%- if tools %}{{- '<|im_start|>system\\n' }}"
        "{{- messages[0].content }}{{- '<|im_end|>\\n' }}{%- else %}"
        "{%- if messages[0].role != 'system' %}"
        "{{- '<|im_start|>system\\nYou are a model. You help.<|im_end|>\\n' }}{%- endif %}{%- endif %}" +
        LOOP + CHATML_TURN + END + CHATML_ASK,
    "chatml, separated": LOOP + "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + "
        "message['content'] + '<|im_end|>' }}" + END + ASK +
        "{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
    "llama3": LOOP + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
        " + message['content'] | trim + '<|eot_id|>' %}{% if loop.first %}{% set content = bos_token + "
        "content %}{% endif %}{{ content }}" + END + ASK +
        "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "llama3, with dates": "{{- bos_token }}" + SPLIT_SYSTEM +
        "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\n' }}"
        "{{- 'Today Date: ' + '26 Jul 2024' + '\\n\\n' }}"
        "{{- (system_message | default('')) | trim + '<|eot_id|>' }}{% for message in loop_messages %}"
        "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | "
        "trim + '<|eot_id|>' }}" + END + ASK +
        "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "llama2": SPLIT_SYSTEM + "{% for message in loop_messages %}"
        "{% if loop.index0 == 0 and system_message is defined %}{% set content = '<<SYS>>\\n' + "
        "system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
        "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}"
        "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}" + END,
    "mistral": mistral("[INST] ", " [/INST]", "message['content'] + eos_token", "first"),
    "mistral, space in front": mistral(
        " [INST] ", " [/INST]", "' ' + message['content'] + eos_token", "first"),
    "mistral, system last": mistral(
        "[INST] ", "[/INST]", "' ' + message['content'] + eos_token", "last"),
    "mistral, system last, answers trimmed": mistral(
        "[INST] ", "[/INST]", "' ' + message['content']|trim + eos_token", "last"),
    "mistral, no spaces": mistral("[INST]", "[/INST]", "message['content'] + eos_token", "last"),
    "mistral, system's own turn": "{{ bos_token }}" + LOOP + "{% if message['role'] == 'system' %}"
        "{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}"
        "{% elif message['role'] == 'user' %}{{ '[INST]' + message['content'] + '[/INST]' }}{% else %}"
        "{{ message['content'] + eos_token }}{% endif %}" + END,
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        "{% set prefix = messages[0]['content'] + '\\n\\n' %}{% set loop_messages = messages[1:] %}"
        "{% else %}{% set prefix = '' %}{% set loop_messages = messages %}{% endif %}"
        "{% for message in loop_messages %}"
        "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
        "{{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else '') }}"
        "{{ message['content'] | trim + '<end_of_turn>\\n' }}" + END + ASK +
        "{{ '<start_of_turn>model\\n' }}{% endif %}",
    "phi3": LOOP + "{{ '<|' + message['role'] + '|>' + '\\n' + message['content'] + '<|end|>' + '\\n' }}" +
        END + ASK + "{{ '<|assistant|>\\n' }}{% endif %}",
    "phi3, the answer opened by the user's turn": LOOP + "{% if message['role'] == 'system' %}"
        "{{ '<|system|>' + '\\n' + message['content'] + '<|end|>' + '\\n' }}"
        "{% elif message['role'] == 'user' %}{{ '<|user|>' + '\\n' + message['content'] + '<|end|>' + '\\n'"
        " + '<|assistant|>' + '\\n' }}{% else %}{{ message['content'] + '<|end|>' + '\\n' }}{% endif %}" + END,
    "phi3, one line": LOOP + "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}" +
        END + ASK + "{{ '<|assistant|>' }}{% endif %}",
    "zephyr": LOOP + "\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + "
        "eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + "
        "eos_token }}\n{% else %}\n{{ '<|assistant|>\n' + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n" + END,
    "zephyr, another end": LOOP + "{% if message['role'] == 'user' %}{{ '<|user|>\\n' + "
        "message['content'] + '<|endoftext|>\\n' }}{% elif message['role'] == 'system' %}"
        "{{ '<|system|>\\n' + message['content'] + '<|endoftext|>\\n' }}{% else %}"
        "{{ '<|assistant|>\\n' + message['content'] + '<|endoftext|>\\n' }}{% endif %}" + END + ASK +
        "{{ '<|assistant|>\\n' }}{% endif %}",
}

SYSTEM = {"role": "system", "content": "Be brief."}
CONVERSATIONS = [
    [{"role": "user", "content": "Hello"}],
    [SYSTEM, {"role": "user", "content": "Why is the sky blue?"}],
    [SYSTEM, {"role": "user", "content": "One\n\ntwo"}, {"role": "assistant", "content": "Three."},
     {"role": "user", "content": "And {{ four }}?"}],
    [{"role": "user", "content": "  spaces around \n"}, {"role": "assistant", "content": " yes "},
     {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
     {"role": "user", "content": "c"}],
    [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "  hi  "},
     {"role": "assistant", "content": "\n hello \n"}, {"role": "user", "content": " and\tbye\n"}],
]


def main():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    goldens = []
    for name, template in TEMPLATES.items():
        tokenizer.chat_template = template
        rendered = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True)
                    .removeprefix("<s>") for one in CONVERSATIONS]
        goldens.append({"name": name, "template": template, "rendered": rendered})
    path = pathlib.Path(__file__).with_name("chat_goldens.json")
    data = {"conversations": CONVERSATIONS, "templates": goldens}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


main()
