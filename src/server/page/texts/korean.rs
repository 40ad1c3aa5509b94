//! The texts of the page in Korean.

use super::{Errors, Explained, Texts};

pub(super) const TEXTS: Texts = Texts {
    log_in: "로그인",
    username: "아이디",
    password: "비밀번호",
    remember: "이 기기에서 로그인 유지",
    no_account: "아직 계정이 없으신가요?",
    ask_operator: "아직 계정이 없으신가요? 서버 운영자에게 계정을 요청해 주세요.",
    programs_only: "이 서버는 프로그램에만 토큰을 발급합니다. 브라우저로는 로그인할 수 없습니다.",

    create_account: "회원가입",
    register: "가입하기",
    have_account: "이미 계정이 있으신가요?",
    password_rule: |min| {
        format!(
            "{min}자 이상이어야 합니다. 서로 관련 없는 단어를 여러 개 이어 쓰면 기억하기 쉽고 추측하기 어렵습니다."
        )
    },

    confirm: "비밀번호를 다시 입력해 주세요",
    confirm_why: "로그인한 지 시간이 지났습니다. 비밀번호를 변경하려면 먼저 본인 확인이 필요합니다.",

    greeting: |name| format!("{name}님, 안녕하세요."),
    log_out: "로그아웃",
    go_on: |path| format!("{path} 페이지로 계속하기"),
    sessions: "로그인된 기기",
    this_device: "현재 기기",
    unknown_device: "알 수 없는 기기",
    browser_on: |browser, system| format!("{browser} ({system})"),
    last_used: |ago| format!("마지막 사용: {ago}"),
    end_session: "로그아웃",
    end_others: "다른 모든 기기에서 로그아웃",
    more_sessions: |count| format!("표시되지 않은 세션이 {count}개 더 있습니다."),
    sessions_away: "지금은 로그인된 기기를 표시할 수 없습니다. 잠시 후 다시 시도해 주세요.",

    change_password: "비밀번호 변경",
    current_password: "현재 비밀번호",
    new_password: "새 비밀번호",
    password_effect: "이 기기의 로그인은 유지되고, 다른 모든 기기에서는 로그아웃됩니다.",
    back: "계정 페이지로 돌아가기",

    form_outdated: "페이지가 오래되어 변경된 내용이 없습니다. 다시 시도해 주세요.",
    password_changed: "비밀번호가 변경되었습니다. 다른 모든 기기에서 로그아웃되었습니다.",
    session_ended: "해당 기기에서 로그아웃되었습니다.",
    others_ended: "다른 모든 기기에서 로그아웃되었습니다.",
    logged_out: "로그아웃되었습니다.",

    just_now: "방금 전",
    minutes_ago: |count| format!("{count}분 전"),
    hours_ago: |count| format!("{count}시간 전"),
    days_ago: |count| format!("{count}일 전"),
    retry_in_seconds: |count| format!("{count}초 후에 다시 시도해 주세요."),
    retry_in_minutes: |count| format!("{count}분 후에 다시 시도해 주세요."),

    error: "오류",
    try_again: "다시 시도",
    start_page: "시작 페이지로 이동",
    errors: Errors {
        bad_credentials: Explained {
            says: "아이디 또는 비밀번호가 올바르지 않습니다",
            advice: "다시 확인한 후 입력해 주세요.",
        },
        wrong_password: Explained {
            says: "현재 비밀번호가 올바르지 않습니다",
            advice: "로그인할 때 사용하는 비밀번호를 입력해 주세요.",
        },
        too_many_attempts: Explained {
            says: "시도 횟수가 너무 많습니다",
            advice: "나중에 다시 시도해 주세요. 이미 로그인된 기기에는 영향이 없습니다.",
        },
        missing_username: Explained {
            says: "아이디를 입력해 주세요",
            advice: "아이디가 비어 있습니다.",
        },
        missing_password: Explained {
            says: "비밀번호를 입력해 주세요",
            advice: "비밀번호가 비어 있습니다.",
        },
        missing_field: Explained {
            says: "모든 항목을 입력해 주세요",
            advice: "비어 있는 항목이 있습니다.",
        },
        invalid_username: Explained {
            says: "사용할 수 없는 아이디입니다",
            advice: "공백 없이 문자, 숫자, . _ - @ 등의 기호로 254자까지 입력할 수 있습니다.",
        },
        username_taken: Explained {
            says: "이미 사용 중인 아이디입니다",
            advice: "다른 아이디를 입력해 주세요.",
        },
        password_too_short: Explained {
            says: "비밀번호가 너무 짧습니다",
            advice: "더 긴 비밀번호를 입력해 주세요.",
        },
        password_too_long: Explained {
            says: "비밀번호가 너무 깁니다",
            advice: "더 짧은 비밀번호를 입력해 주세요.",
        },
        password_too_common: Explained {
            says: "추측하기 쉬운 비밀번호입니다",
            advice: "아이디나 사이트 이름을 넣지 말고, 서로 관련 없는 단어를 여러 개 이어서 입력해 주세요.",
        },
        registration_closed: Explained {
            says: "현재 회원가입을 받지 않습니다",
            advice: "서버 운영자에게 계정을 요청해 주세요.",
        },
        session_not_found: Explained {
            says: "이미 로그아웃된 기기입니다",
            advice: "계정 페이지에서 현재 로그인된 기기를 확인할 수 있습니다.",
        },
        not_logged_in: Explained {
            says: "로그인이 만료되었습니다",
            advice: "다시 로그인해 주세요.",
        },
        not_fresh: Explained {
            says: "비밀번호를 다시 입력해 주세요",
            advice: "로그인한 지 시간이 지났습니다.",
        },
        user_disabled: Explained {
            says: "사용이 중지된 계정입니다",
            advice: "서버 운영자에게 문의해 주세요.",
        },
        admin_required: Explained {
            says: "관리자만 볼 수 있습니다",
            advice: "서버 운영자에게 권한을 요청해 주세요.",
        },
        form_outdated: Explained {
            says: "페이지가 오래되었습니다",
            advice: "페이지를 다시 연 후 시도해 주세요.",
        },
        cross_site: Explained {
            says: "다른 사이트에서 보낸 요청을 차단했습니다",
            advice: "시작 페이지로 이동한 후 다시 시도해 주세요.",
        },
        wrong_host: Explained {
            says: "이 서버의 주소가 아닙니다",
            advice: "브라우저의 주소를 확인해 주세요.",
        },
        link_required: Explained {
            says: "아직 로그인되어 있습니다",
            advice: "시작 페이지에서 로그아웃할 수 있습니다.",
        },
        not_found: Explained {
            says: "페이지를 찾을 수 없습니다",
            advice: "브라우저의 주소를 확인해 주세요.",
        },
        method_not_allowed: Explained {
            says: "열 수 없는 페이지입니다",
            advice: "프로그램이 사용하는 주소입니다.",
        },
        body_too_large: Explained {
            says: "입력한 내용이 너무 깁니다",
            advice: "내용을 줄여서 다시 보내 주세요.",
        },
        body_too_slow: Explained {
            says: "전송 시간이 초과되었습니다",
            advice: "네트워크 연결을 확인한 후 다시 보내 주세요.",
        },
        incomplete_body: Explained {
            says: "입력한 내용이 모두 전송되지 않았습니다",
            advice: "네트워크 연결을 확인한 후 다시 보내 주세요.",
        },
        bad_request: Explained {
            says: "잘못된 요청입니다",
            advice: "브라우저의 주소를 확인해 주세요.",
        },
        conflicting_headers: Explained {
            says: "중간 프록시의 설정이 잘못되었습니다",
            advice: "서버 운영자에게 알려 주세요.",
        },
        too_early: Explained {
            says: "로그인이 아직 유효하지 않습니다",
            advice: "몇 초 후에 다시 시도해 주세요.",
        },
        unavailable: Explained {
            says: "일시적으로 이용할 수 없습니다",
            advice: "로그아웃된 것은 아닙니다. 잠시 후 다시 시도해 주세요.",
        },
        database_readonly: Explained {
            says: "현재 변경할 수 없습니다",
            advice: "나중에 다시 시도해 주세요.",
        },
        internal: Explained {
            says: "문제가 발생했습니다",
            advice: "나중에 다시 시도해 주세요. 문제가 계속되면 서버 운영자에게 알려 주세요.",
        },
    },
};
